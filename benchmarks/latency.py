"""How long it takes from publishing a finding to its first run, on a site that has nothing else to do.

    python -m benchmarks.latency [--json] [--posts N]

Findings are sent to the API, as a script would, with a token. Each asks for runs that nobody made before.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from random import Random
from statistics import median
from typing import Any

from benchmarks.chaos.places import no_servers, served_under_up, under_up
from benchmarks.chaos.site import MANAGE, Site, moment
from benchmarks.made_findings import MODEL, ROOT, behavior, finding

SITES: dict[str, Callable[[], AbstractContextManager[Site]]] = {
    "SQLite, files": under_up,
    "PostgreSQL, Redis": served_under_up,
}
FIRST = "SELECT created_at, claimed_at FROM wiki_run WHERE measurement_id IN (SELECT measurement_id FROM wiki_claim c"
FIRST += " JOIN wiki_finding f ON f.entry_id = c.finding_id WHERE f.slug = '{slug}') AND claimed_at IS NOT NULL"


@dataclass(frozen=True)
class Spread:
    """In seconds."""

    median: float
    worst: float


@dataclass(frozen=True)
class Row:
    """queued_to_claimed: by the times that the site keeps. sent_to_answered, sent_to_claimed: by the sender's clock."""

    site: str
    posts: int
    queued_to_claimed: Spread
    sent_to_answered: Spread
    sent_to_claimed: Spread


def measure(name: str, posts: int) -> Row:
    rng = Random(1)
    with SITES[name]() as site:
        client = Client(site)
        about = behavior("induction-of-late", 0, posts + 1)
        client.post("models", MODEL)
        client.post("behaviors", about)
        took = []
        for number in range(posts + 1):
            document = finding(f"late-{number}", about, slice(number, number + 1))
            took.append(_first_run(site, client, document))
            site.wait_for(site.is_done, "the end of the runs")
            time.sleep(rng.uniform(0.5, 1.5))  # wherever between two looks the broker is
    queued, answered, claimed = (_spread(times) for times in zip(*took[1:], strict=True))  # the first one warms up
    return Row(name, posts, queued, answered, claimed)


def _first_run(site: Site, client: Client, document: dict[str, Any]) -> tuple[float, float, float]:
    begun = time.monotonic()
    client.post("findings", document)
    answered = time.monotonic() - begun
    runs = site.wait_for(lambda: site.rows(FIRST.format(slug=document["slug"])), "the first run")
    claimed = time.monotonic() - begun
    created_at, claimed_at = min((moment(created), moment(claimed)) for created, claimed in runs)
    return (claimed_at - created_at).total_seconds(), answered, claimed


class Client:
    """Sends documents with a steward's token, as soon as the site answers."""

    def __init__(self, site: Site) -> None:
        self._address = f"http://127.0.0.1:{site.port}/api/v1/"
        site.wait_for(lambda: "Open  http" in site.said(), "the site's address")
        command = [*MANAGE, "token", "sender", "--steward"]
        done = subprocess.run(command, cwd=ROOT, env=site.environment, capture_output=True, text=True, check=True)
        self._headers = {"Authorization": f"Token {done.stdout.strip()}", "Content-Type": "application/json"}

    def post(self, kind: str, document: dict[str, Any]) -> None:
        data = json.dumps(document).encode()
        request = urllib.request.Request(f"{self._address}{kind}/", data, self._headers, method="POST")
        try:
            urllib.request.urlopen(request, timeout=30).close()
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{kind} are not accepted: {error.read().decode()}") from error


def _spread(times: tuple[float, ...]) -> Spread:
    return Spread(round(median(times), 3), round(max(times), 3))


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="How long it takes from publishing a finding to its first run.")
    parser.add_argument("--json", action="store_true", help="one JSON object per site")
    parser.add_argument("--posts", type=int, default=20)
    options = parser.parse_args(arguments)
    if not options.json:
        print("| site | posts | queued to claimed: median | worst | sent to claimed: median | worst |\n|-|-|-|-|-|-|")
    for name in SITES:
        if name != "SQLite, files" and (why := no_servers()):
            print(f"{name}: skipped, {why}", file=sys.stderr)
            continue
        row = measure(name, options.posts)
        print(json.dumps(asdict(row)) if options.json else _as_markdown(row), flush=True)
    return 0


def _as_markdown(row: Row) -> str:
    spreads = (row.queued_to_claimed, row.sent_to_claimed)
    times = " | ".join(f"{spread.median:.3f} s | {spread.worst:.3f} s" for spread in spreads)
    return f"| {row.site} | {row.posts} | {times} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
