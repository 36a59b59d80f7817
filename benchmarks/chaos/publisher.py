"""A child that publishes findings all the time, so that runs always wait; what fails is tried again, as people do.

    python -m benchmarks.chaos.publisher --runs N --ahead N

Acknowledges each finding by a line on standard output. Ends when standard input has, and N runs were asked for.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Callable
from functools import partial
from threading import Event, Thread
from typing import TypeVar

import django

from benchmarks.made_findings import DRAWS, MODEL, behavior, finding

CLAIMS = 2
PAUSE = 0.3  # seconds until what failed is tried again
log = logging.getLogger("interpedia.publisher")
T = TypeVar("T")


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description="Publish findings all the time.")
    parser.add_argument("--runs", type=int, required=True, help="to ask for at least")
    parser.add_argument("--ahead", type=int, required=True, help="runs that shall wait at any time")
    options = parser.parse_args(arguments)
    django.setup()
    persistently(lambda: publish("model", MODEL))
    enough, published = Event(), 0
    Thread(target=lambda: (sys.stdin.read(), enough.set()), daemon=True).start()
    while not enough.is_set() or published * CLAIMS * DRAWS < options.runs:
        if persistently(waiting) >= options.ahead:
            time.sleep(0.05)
            continue
        persistently(partial(publish_one, published))
        print(published, flush=True)
        published += 1


def publish_one(number: int) -> None:
    about = behavior(f"induction-{number}", number, CLAIMS)
    publish("behavior", about)
    publish("finding", finding(f"made-{number}", about))


def publish(kind: str, document: dict) -> None:
    from wiki import actions

    actions.publish(kind, document, author=None)


def waiting() -> int:
    from wiki.models import Run

    return Run.objects.open().count()


def persistently(action: Callable[[], T]) -> T:
    """Until the database lets it; what is published again as it stands makes no second revision."""
    from django.db import Error, close_old_connections, connection

    while True:
        try:
            close_old_connections()
            return action()
        except Error as error:
            log.warning("not published yet: %s", error)
            connection.close()
            time.sleep(PAUSE)


if __name__ == "__main__":
    main(sys.argv[1:])
