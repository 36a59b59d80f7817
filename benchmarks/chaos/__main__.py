"""Breaks a site in every way that is known, while runs are under way, and counts what was lost or done twice.

    python -m benchmarks.chaos [--json] [--runs N] [--only WORD] [--seed N] [--minutes N]

Each fault has a site of its own, of real processes on loopback; nothing else is touched, and nothing is left behind.
The lease is 3 seconds, a real site's is 30. Exit status 1 if anything was lost or doubled.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from random import Random

from benchmarks.chaos.campaign import Row, campaign
from benchmarks.chaos.faults import FAULTS
from benchmarks.chaos.site import LEASE

LONGEST = 480.0  # seconds that one fault may take if everything about it is slow
COLUMNS = ("fault", "strikes", "runs", "lost", "doubled", "errored", "late", "recovery, median", "worst")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="What is lost or done twice when a site breaks.")
    parser.add_argument("--json", action="store_true", help="one JSON object per fault")
    parser.add_argument("--runs", type=int, default=72, help="at least, under each fault")
    parser.add_argument("--only", default="", help="only faults whose name contains this")
    parser.add_argument("--seed", type=int, default=1, help="of the moments at which they strike")
    parser.add_argument("--minutes", type=float, default=45.0, help="a fault that could last longer is skipped")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if not options.json:
        print(f"Lease: {LEASE} s.\n\n| {' | '.join(COLUMNS)} |\n|{'-|' * len(COLUMNS)}")
    rows = []
    for row in results(options):
        rows.append(row)
        print(json.dumps(asdict(row)) if options.json else as_markdown(row), flush=True)
    if not options.json:
        print(f"\n{summary(rows)}")
    return 1 if any(row.lost or row.doubled for row in rows) else 0


def results(options: argparse.Namespace) -> Iterator[Row]:
    end = time.monotonic() + 60 * options.minutes
    for fault in FAULTS:
        if options.only in fault.name:
            late = time.monotonic() + LONGEST > end
            why = "no time is left for it" if late else fault.lacks()
            yield Row(fault.name, skipped=why) if why else campaign(fault, options.runs, Random(options.seed))


def as_markdown(row: Row) -> str:
    if row.skipped:
        return f"| {row.fault} | skipped: {row.skipped} |{' |' * (len(COLUMNS) - 2)}"
    took = row.recovery_s
    times = [f"{took.median} s", f"{took.worst} s"] if took else ["none", "none"]
    errored = sum(row.errored.values())
    cells = (row.fault, row.strikes, row.runs, row.lost, row.doubled, errored, row.late, *times)
    return f"| {' | '.join(map(str, cells))} |"


def summary(rows: Sequence[Row]) -> str:
    """In all, then every reason and every problem once."""
    reasons = sum((Counter(row.errored) for row in rows), Counter[str]())
    total = f"{sum(row.runs for row in rows):,} runs, {sum(row.strikes for row in rows)} strikes"
    wrong = f"{sum(row.lost for row in rows)} lost, {sum(row.doubled for row in rows)} doubled"
    skipped = f"{sum(bool(row.skipped) for row in rows)} of {len(rows)} faults skipped"
    lines = [f"{total}: {wrong}. {skipped}. {sum(row.seconds for row in rows) / 60:.0f} minutes."]
    lines += [f"- {count} errored: {reason}" for reason, count in reasons.most_common()]
    lines += [f"- {row.fault}: {problem}" for row in rows for problem in row.problems]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
