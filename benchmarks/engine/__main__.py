"""The engine against its peers, and against what the machine can do at most.

    python -m benchmarks.engine [--quick] [--json] [--device cuda] [--only WORD] [--pairs N] [--rounds N]

Every row is a ratio of two arms that took turns in one run. Exit status 1 if a promised ratio was not reached, a
number differs from a peer's by more than 1e-5, or ours took more memory than it may.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from itertools import chain
from pathlib import Path

from benchmarks.engine.growth import growth
from benchmarks.engine.inputs import Shape, write
from benchmarks.engine.machine import share_of_peak
from benchmarks.engine.rounds import compared
from benchmarks.engine.rows import Row, Skipped, heading, limit_of, line, rows
from benchmarks.engine.works import WORKS

LARGEST_DIFFERENCE = 1e-5


def main(arguments: list[str]) -> int:
    options = _options(arguments)
    shape = Shape(pairs=options.pairs or (16 if options.quick else 64))
    rounds = options.rounds or (2 if options.quick else 5)
    if not options.json:
        print(heading(), flush=True)
    holds = True
    with tempfile.TemporaryDirectory() as scratch:
        folder = write(Path(scratch), shape, options.device)
        limit = None if options.device.startswith("cuda") else limit_of(folder / "model")
        for work in WORKS:
            if options.only in f"{work.key} {work.name}":
                found = compared(work, work.peers, folder, shape, rounds, options.threads)
                for row in rows(work, found, shape, limit):
                    print(line(row, options.json), flush=True)
                    holds = holds and reaches(row)
        if options.only in "machine":
            for measured in chain(
                share_of_peak(folder, shape, rounds, options.device, options.threads),
                growth(folder, shape, options.device, options.threads),
            ):
                print(line(measured, options.json), flush=True)
    return 0 if holds else 1


def reaches(row: Row | Skipped) -> bool:
    if isinstance(row, Skipped):
        return True
    fits = row.memory_limit is None or row.peak_memory <= row.memory_limit
    return fits and row.largest_difference <= LARGEST_DIFFERENCE and (row.reach is None or row.ratio >= row.reach)


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The engine against its peers.")
    parser.add_argument("--quick", action="store_true", help="16 pairs and two rounds, within ten minutes")
    parser.add_argument("--json", action="store_true", help="one JSON object per row")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:NUMBER, for all arms")
    parser.add_argument("--only", default="", help="only works whose key and name contain this, or `machine`")
    parser.add_argument("--pairs", type=int, help="of prompts")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of every arm")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
