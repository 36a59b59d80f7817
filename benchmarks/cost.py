"""How far above the truth the estimate of a run's cost lies: every measurement of the shipped findings, run to its end.

    python -m benchmarks.cost [--json] [--only WORD] [--speed FLOPS]

Each is made by a fresh `python -m workers.engine serve` on one thread, with as many prompts as its last look has; a
control stops when enough sets are as extreme, as it does on the site. Exit status 1 if an estimate lies below.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import psutil

from workers.engine.cost import Cost, cost_of, seconds_of
from workers.engine.documents.bundle import control_of, measurement_of
from workers.engine.documents.measurement import Measurement
from workers.engine.neighbors import bundle_of

ROOT = Path(__file__).parents[1]
FINDINGS = ROOT / "fixtures" / "findings"
MODELS = ROOT / "fixtures" / "models"
CHILD = (sys.executable, "-m", "workers.engine", "serve")
SPEED = 5e9
MEBIBYTE = 2**20
COLUMNS = (
    "measurement",
    "prompts",
    "edits",
    "TFLOP",
    "estimated s",
    "measured s",
    "ratio",
    "estimated MiB",
    "measured MiB",
    "ratio",
)


@dataclass(frozen=True)
class Row:
    """measured_seconds: from the start of the process to its answer. measured_memory: the most that was resident."""

    measurement: str
    prompts: int
    edits: int
    tera: float
    estimated_seconds: float
    measured_seconds: float
    estimated_memory: int
    measured_memory: int
    answer: str

    @property
    def holds(self) -> bool:
        above = self.estimated_seconds >= self.measured_seconds and self.estimated_memory >= self.measured_memory
        return above and self.answer == "numbers"


def measurements() -> Iterator[tuple[str, Measurement]]:
    """Those that differ, each under the first claim that makes it."""
    seen: set[str] = set()
    for path in sorted(FINDINGS.glob("*.json")):
        bundle = bundle_of(path)
        for claim in filter(lambda claim: claim.runnable, bundle.finding.claims):
            made = {"": measurement_of(bundle, claim), " (control)": control_of(bundle, claim)}
            for which, measurement in made.items():
                if measurement is not None and measurement.sha256 not in seen:
                    seen.add(measurement.sha256)
                    yield f"{path.stem}: {claim.id}{which}", measurement


def measured(name: str, measurement: Measurement, speed: float) -> Row:
    cost = cost_of(measurement)
    seconds, memory, answer = run_to_the_end(measurement, cost)
    return Row(
        measurement=name,
        prompts=cost.prompts,
        edits=cost.edits,
        tera=cost.tera,
        estimated_seconds=seconds_of(cost, speed),
        measured_seconds=seconds,
        estimated_memory=cost.memory,
        measured_memory=memory,
        answer=answer,
    )


def run_to_the_end(measurement: Measurement, cost: Cost) -> tuple[float, int, str]:
    """Seconds, MiB at most, and what the child answered."""
    asked: dict[str, Any] = {"id": 1, "measurement": measurement.values(), "models": [str(MODELS)]}
    begun = time.monotonic()
    child = subprocess.Popen(
        CHILD,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    most = [0]
    watch = Thread(target=_watch, args=(child.pid, most))
    watch.start()
    said, _ = child.communicate(json.dumps({**asked, "prompts": cost.prompts}) + "\n")
    seconds = time.monotonic() - begun
    watch.join()
    return seconds, most[0], json.loads(said.splitlines()[-1])["event"]


def _watch(pid: int, most: list[int]) -> None:
    while True:
        try:
            most[0] = max(most[0], psutil.Process(pid).memory_info().rss // MEBIBYTE)
        except psutil.NoSuchProcess:
            return
        time.sleep(0.02)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="How far above the truth the estimate of a run's cost lies.")
    parser.add_argument("--json", action="store_true", help="one JSON object per row")
    parser.add_argument("--only", default="", help="only measurements whose `finding: claim` contains this")
    parser.add_argument("--speed", type=float, default=SPEED, help="floating-point operations a second")
    options = parser.parse_args(arguments)
    if not options.json:
        print(f"| {' | '.join(COLUMNS)} |\n|{'-|' * len(COLUMNS)}")
    holds = True
    for name, measurement in measurements():
        if options.only in name:
            row = measured(name, measurement, options.speed)
            holds = holds and row.holds
            print(json.dumps(asdict(row)) if options.json else _as_markdown(row), flush=True)
    return 0 if holds else 1


def _as_markdown(row: Row) -> str:
    cells = (
        row.measurement,
        f"{row.prompts:,}",
        f"{row.edits:,}",
        f"{row.tera:.2f}",
        f"{row.estimated_seconds:.0f}",
        f"{row.measured_seconds:.1f}",
        f"{row.estimated_seconds / row.measured_seconds:.1f}",
        f"{row.estimated_memory:,}",
        f"{row.measured_memory:,}",
        f"{row.estimated_memory / row.measured_memory:.1f}",
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
