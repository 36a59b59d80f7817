"""What was lost and what was done twice, from what the database saw (`changes`) and from what stands in it at the end.

Pure, and independent of the site's own rules: each finding is a sentence, so that a number can be looked into.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from benchmarks.chaos.changes import Change

ENDED = ("finished", "refused", "errored")


@dataclass(frozen=True)
class Ended:
    """A run as it stands at the end."""

    measurement: str
    draw: int
    state: str
    reason: str


@dataclass(frozen=True)
class Claimed:
    """A claim as it stands at the end. needs: the draws its verdict rests on.

    shown, recomputed: outcome, verdict and the finding's badge, as they are cached, and after everything was rebuilt
    from revisions and runs.
    """

    name: str
    measurement: str
    needs: tuple[int, ...]
    shown: tuple[str, ...]
    recomputed: tuple[str, ...]


@dataclass
class _Seen:
    """What is known of one row while its changes are read in order. fence, holder: of who claimed it last."""

    state: str = ""
    fence: int = 0
    holder: str = ""
    problems: list[str] = field(default_factory=list)


def doubled(changes: Iterable[Change]) -> list[str]:
    """Runs that ended twice, changed after their end, were claimed without a new fence, or written to without it."""
    seen: dict[int, _Seen] = {}
    finished: Counter[tuple[str, int]] = Counter()
    for change in changes:
        row = seen.setdefault(change.run, _Seen())
        row.problems += [f"run {change.run} {problem}" for problem in _problems(row, change)]
        if change.after == "running":
            row.fence, row.holder = change.fence, change.writer
        if change.after == "finished" != change.before:
            finished[change.measurement, change.draw] += 1
        row.state = change.after
    twice = [f"draw {draw} of {name} finished {times} times" for (name, draw), times in finished.items() if times > 1]
    return [*(problem for row in seen.values() for problem in row.problems), *twice]


def _problems(row: _Seen, change: Change) -> Iterator[str]:
    if change.before in ENDED:
        yield f"was changed after it had {change.before}"
    elif change.before != row.state:
        yield f"was {change.before or 'made'} when it had been seen {row.state or 'nowhere'}"
    elif change.after == "running" and (change.before != "queued" or change.fence != change.fence_before + 1):
        yield f"was claimed while {change.before}, with the fence {change.fence} after {change.fence_before}"
    elif change.after == "finished":
        yield from _unheld(row, change)
    elif change.numbers:
        yield f"got numbers while {change.after or 'being deleted'}"


def _unheld(row: _Seen, change: Change) -> Iterator[str]:
    if change.before != "running" or not change.fence_before == change.fence == row.fence:
        yield f"finished without the fence it was claimed with ({change.fence}, claimed with {row.fence})"
    elif change.writer != row.holder:
        yield f"was claimed by {row.holder} and finished by {change.writer}"


def lost(runs: Sequence[Ended], claims: Sequence[Claimed], changes: Iterable[Change], published: int) -> list[str]:
    """Draws that were asked for and did not end, claims without the verdict they are due, documents that are gone.

    published: claims whose publication was acknowledged.
    """
    found = [f"{published - len(claims)} claims that were published are gone"] if len(claims) < published else []
    found += [f"run {change.run} was deleted" for change in changes if not change.after]
    found += [f"draw {run.draw} of {run.measurement} {run.state} without a reason" for run in _unexplained(runs)]
    states = {(run.measurement, run.draw): run.state for run in runs}  # the newest of each, since they come in order
    for claim in claims:
        unended = [draw for draw in claim.needs if states.get((claim.measurement, draw)) not in ENDED]
        found += [f"draw {draw} of {claim.name}: {_where(states, claim, draw)}" for draw in unended]
        if not unended and not claim.recomputed[0]:
            found.append(f"{claim.name} has no verdict though its runs have ended")
        elif claim.shown != claim.recomputed:
            found.append(f"{claim.name} shows {_said(claim.shown)}, its runs say {_said(claim.recomputed)}")
    return found


def _said(cached: tuple[str, ...]) -> str:
    """outcome and badge"""
    return f"{cached[0] or 'nothing'} and {cached[-1]}"


def _where(states: dict[tuple[str, int], str], claim: Claimed, draw: int) -> str:
    return f"still {states.get((claim.measurement, draw), 'not asked for')}"


def _unexplained(runs: Iterable[Ended]) -> Iterator[Ended]:
    return (run for run in runs if run.state in ("refused", "errored") and not run.reason.strip())
