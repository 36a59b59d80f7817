"""Chat templates: programs that a model's makers wrote, and whoever documents a model; run in a process of their own.

The process (`chat_process`) is transformers' own sandboxed rendering under limits of memory and time; what it is given
is the template and the messages, and what comes back is text.
"""

from __future__ import annotations

import json
import re
import select
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import IO

from workers.engine.prompts import Refused, Render, Turn

STARTING, RENDERING = 60.0, 5.0  # seconds
LONGEST = 300_000  # bytes of an answer
PROGRAM = Path(__file__).with_name("chat_process.py")
UNDOCUMENTED = {
    "eos_token": "a model's document states no end token; write its text into the template",
    "strftime_now": "prompts would be others on other days; write a date into the template",
}


@contextmanager
def chat_renderer(template: str, bos: str | None) -> Iterator[Render]:
    """bos: the text of the model's BOS, if it has one. Raises Refused, and so does what is yielded."""
    for name, reason in UNDOCUMENTED.items():
        if re.search(rf"\b{name}\b", template):
            raise Refused(f"the chat template uses {name}: {reason}")
    if bos is None and re.search(r"\bbos_token\b", template):
        raise Refused("the chat template writes bos_token, and the model's document states none; state bos")
    command = [sys.executable, "-I", str(PROGRAM)]
    environment = {"LANG": "C.UTF-8", "HF_HUB_OFFLINE": "1"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, bufsize=0
    ) as process:
        try:
            _answer(process, {"template": template, "bos": bos}, STARTING)
            yield lambda turns: _rendered(process, turns)
        finally:
            process.kill()


def _rendered(process: subprocess.Popen[bytes], turns: Sequence[Turn]) -> str:
    return _answer(process, list(turns), RENDERING)


def _answer(process: subprocess.Popen[bytes], question: object, seconds: float) -> str:
    """One line to the process and one line back."""
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write(json.dumps(question).encode() + b"\n")
        found: dict[str, str] = json.loads(_line(process.stdout, seconds))
    except (BrokenPipeError, ValueError) as error:
        raise Refused("the chat template uses up the memory or the time it may take; simplify it") from error
    if "refused" in found:
        raise Refused(f"the chat template refuses these messages: {found['refused']}")
    return found["text"]


def _line(stream: IO[bytes], seconds: float) -> bytes:
    """Raises ValueError if none of at most LONGEST bytes comes in time."""
    line, until = b"", monotonic() + seconds
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([stream], [], [], max(0.0, until - monotonic()))
        more = stream.read(LONGEST) if ready else b""
        if not more or len(line) > LONGEST:
            raise ValueError("no answer")
        line += more
    return line
