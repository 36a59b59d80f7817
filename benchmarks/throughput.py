"""How many runs a second pass through the queue when making one takes no time.

    python -m benchmarks.throughput [--json] [--runs N]

The workers are real, their engine answers at once (`ready_engine`): claimed, recorded, judged and shown as ever.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import datetime

from benchmarks.chaos.campaign import end, publish
from benchmarks.chaos.places import embedded, no_servers, served
from benchmarks.chaos.site import Site, moment
from benchmarks.made_findings import BOUNDS, MODEL, ROOT, behavior, finding
from workers.engine.documents.bundle import Bundle, measurement_of
from workers.engine.documents.kinds import DOCUMENTS

WORK = ("-m", "celery", "--app", "config.celery", "--quiet", "worker", "--pool", "solo", "--queues", "runs-small")
WORK += ("--loglevel", "warning", "--without-gossip", "--without-mingle", "--without-heartbeat")
WORK += ("--include", "benchmarks.ready_worker")
SITES = {"SQLite, files": (1,), "PostgreSQL, Redis": (1, 2, 4)}
"""And how many workers."""


@dataclass(frozen=True)
class Row:
    """runs: that were made while all workers were at it, in so many seconds."""

    site: str
    workers: int
    runs: int
    seconds: float
    runs_per_second: float


def measure(name: str, workers: int, runs: int, numbers: str) -> Row:
    with _place(name) as site:
        publisher = publish(site, runs, ahead=runs)
        end(publisher)
        (site.folder / "numbers").write_text(numbers)
        for number in range(workers):
            command = (sys.executable, *WORK, "--hostname", f"ready-{number}@here")
            site.keep(f"worker-{number}", command, {"READY_NUMBERS": str(site.folder / "numbers")})
        site.wait_for(site.is_done, "the end of all runs", patience=600)
        made = site.rows("SELECT worker_id, claimed_at, finished_at FROM wiki_run WHERE state = 'finished'")
    return _row(name, workers, [(worker, moment(claimed), moment(ended)) for worker, claimed, ended in made])


def _place(name: str) -> AbstractContextManager[Site]:
    """Without a worker, so that all runs wait when the workers begin."""
    return embedded(workers=0) if name == "SQLite, files" else served(workers=0)


def _row(name: str, workers: int, made: list[tuple[int, datetime, datetime]]) -> Row:
    begun = max(min(claimed for by, claimed, _ in made if by == worker) for worker in {by for by, _, _ in made})
    ends = [ended for _, _, ended in made if ended > begun]
    seconds = (max(ends) - begun).total_seconds()
    assert len({by for by, _, _ in made}) == workers, "a worker made no run; ask for more of them"
    return Row(name, workers, len(ends), round(seconds, 2), round(len(ends) / seconds, 1))


def real_numbers() -> str:
    """Of one run of the real engine, as JSON text."""
    about = behavior("induction-0", 0, 1)
    read = {kind: DOCUMENTS[kind].from_json(given) for kind, given in (("behavior", about), ("model", MODEL))}
    of = DOCUMENTS["finding"].from_json(finding("made-0", about))
    bundle = Bundle(finding=of, behaviors={about["slug"]: read["behavior"]}, model=read["model"])
    request = {
        "id": 1,
        "measurement": measurement_of(bundle, of.claims[0]).values(),
        "stakes": [{"expect": {"at_least": BOUNDS[0]}}],
        "models": [str(ROOT / "fixtures/models")],
    }
    command = [sys.executable, "-m", "workers.engine", "serve"]
    done = subprocess.run(command, cwd=ROOT, input=json.dumps(request), capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout.splitlines()[-1])
    return json.dumps(answer["numbers"])


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="How many runs a second pass through the queue.")
    parser.add_argument("--json", action="store_true", help="one JSON object per site")
    parser.add_argument("--runs", type=int, default=600)
    options = parser.parse_args(arguments)
    if not options.json:
        print("| site | workers | runs | seconds | runs a second |\n|-|-|-|-|-|")
    numbers = real_numbers()
    for name, counts in SITES.items():
        if name != "SQLite, files" and (why := no_servers()):
            print(f"{name}: skipped, {why}", file=sys.stderr)
            continue
        for workers in counts:
            row = measure(name, workers, options.runs, numbers)
            print(json.dumps(asdict(row)) if options.json else _as_markdown(row), flush=True)
    return 0


def _as_markdown(row: Row) -> str:
    return f"| {row.site} | {row.workers} | {row.runs} | {row.seconds:.1f} | {row.runs_per_second:.1f} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
