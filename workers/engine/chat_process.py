"""The process that renders chat templates: one line of JSON in, one out. Started by `chat_rendering`, never imported.

First comes the template, {"template": ..., "bos": ...}; then conversations, each a list of messages. A last message of
the assistant's is left open, as the beginning of what it says.
"""

from __future__ import annotations

import json
import resource
import sys
from typing import Any

MEMORY = 2**30  # bytes of address space
SECONDS = 120  # of processor time, over all conversations
MOST = 20_000  # letters


def main() -> None:
    from transformers.utils.chat_template_utils import render_jinja_template

    stated = json.loads(sys.stdin.readline())
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    known = {} if stated["bos"] is None else {"bos_token": stated["bos"]}
    _say({"text": ""})
    for line in sys.stdin:
        turns = json.loads(line)
        unfinished = turns[-1]["role"] == "assistant"
        try:
            rendered: Any = render_jinja_template(
                [turns],
                chat_template=stated["template"],
                add_generation_prompt=not unfinished,
                continue_final_message=unfinished,
                **known,
            )
        except Exception as error:  # noqa: BLE001 - a template may fail in any way, and each is told
            _say({"refused": f"{type(error).__name__}: {error}"[:500]})
        else:
            text = rendered[0][0]
            _say({"text": text} if len(text) <= MOST else {"refused": f"it makes {len(text)} letters of them"})


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
