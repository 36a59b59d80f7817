"""Rows of the calibration table: how often a rule said what is not so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.hand_set.trials import Outcomes
from benchmarks.hand_set.weights import component

Truth = Literal["boundary", "inside", "outside"]


@dataclass(frozen=True)
class Row:
    """Shares of the trials. A share that means nothing at that truth is null.

    effects: how they are distributed over prompts. model: "simulated", or which heads of the hand-set one.
    """

    expect: str
    effects: str
    model: str
    truth: Truth
    trials: int
    false_accept: float | None
    false_reject: float | None
    undecided: float


def row(expect: str, effects: str, model: str, truth: Truth, outcomes: Sequence[str]) -> Row:
    """outcomes: of the trials, as the judge says them."""
    share = {outcome: outcomes.count(outcome) / len(outcomes) for outcome in ("holds", "fails", "undecided")}
    inside = truth == "inside"
    return Row(
        expect=expect,
        effects=effects,
        model=model,
        truth=truth,
        trials=len(outcomes),
        false_accept=None if inside else share["holds"],
        false_reject=share["fails"] if inside else None,
        undecided=share["undecided"],
    )


def worst(rows: Sequence[Row]) -> Iterator[tuple[str, str, tuple[float | None, float | None]]]:
    """What is asked of the rules, how much of it at most, and the largest share: simulated, of the hand-set model."""
    simulated = [one for one in rows if one.model == "simulated"]
    hand_set = [one for one in rows if one.model != "simulated"]

    def largest(name: str, truths: tuple[Truth, ...]) -> tuple[float | None, float | None]:
        def of(some: Sequence[Row]) -> float | None:
            return max((getattr(one, name) for one in some if one.truth in truths), default=None)

        return of(simulated), of(hand_set)

    yield "false accept: `holds` at or beyond the boundary", "1 %", largest("false_accept", ("boundary", "outside"))
    yield "false reject: `fails` one tolerance inside", "1 %", largest("false_reject", ("inside",))
    yield "undecided one tolerance inside", "5 %", largest("undecided", ("inside",))


def hand_set_rows(found: Outcomes) -> Iterator[Row]:
    for staked, verdicts in zip(found.measured.stakes, found.verdicts, strict=True):
        outcomes = [verdict.outcome for verdict in verdicts]
        assert "errored" not in outcomes, verdicts[outcomes.index("errored")].reason
        yield row(staked.name, found.loudness, _model(found), staked.where, outcomes)
    if "passenger" in found.measured.about:
        yield _member(found, "reader", "inside")
        yield _member(found, "passenger", "outside")


def _member(found: Outcomes, name: str, truth: Truth) -> Row:
    """Whether a head of a group that holds is said to have an effect of its own: one that has some, and one without."""
    judged = [verdict for verdicts in found.verdicts for verdict in verdicts if verdict.members]
    shown = ["holds" if verdict.members[component(name)] else "fails" for verdict in judged]
    return row("member", found.loudness, _model(found), truth, shown)


def _model(found: Outcomes) -> str:
    where = {"planted": "", "without_behavior": ", without the behavior", "scrambled": ", heads scrambled"}
    return f"hand-set: {found.measured.about}{where[found.measured.model]}"
