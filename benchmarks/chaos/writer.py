"""A child that edits one finding all the time, until it is ended.

python -m benchmarks.chaos.writer NUMBER
"""

from __future__ import annotations

import sys
from functools import partial
from itertools import count

import django

from benchmarks.chaos.publisher import CLAIMS, persistently, publish
from benchmarks.made_findings import MODEL, behavior, finding

FIRST = 900
"""Above the numbers of the publisher's findings, so that its runs are its own."""


def main(number: int) -> None:
    django.setup()
    slug, about = f"edited-{number}", behavior(f"induction-edited-{number}", FIRST + number, CLAIMS)
    persistently(lambda: publish("model", MODEL))
    persistently(lambda: publish("behavior", about))
    for edit in count():
        persistently(partial(publish, "finding", finding(slug, about, summary=f"Edited {edit} times.")))
        if edit == 0:
            print(slug, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
