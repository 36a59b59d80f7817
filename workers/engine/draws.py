"""One draw, judged look by look: the first look that decides counts (EVIDENCE 3.1 to 3.3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, assert_never

from workers.engine.metrics import METRICS
from workers.engine.numbers import Numbers
from workers.engine.reading import NotJudgeable, Reading, finite, finite_number, read
from workers.engine.report import Share, gate_sample
from workers.engine.soundness import nothing_was_changed, why_unsound
from workers.engine.statistics import estimate, interval
from workers.engine.techniques import TECHNIQUES
from workers.engine.verdict import DrawJudged, Gate, Outcome, Stake

MISS = 0.05
"""What the intervals of one draw may miss together, over all its planned looks."""
MISS_OF_ONE_DRAW = 0.001
"""The same for stated prompts, where no second draw has to agree: so few, and skewed ones, miss ten times as often."""
NOT_SHOWN = "the model does not show the behavior"
NOTHING_CHANGED = "nothing was changed"

End = Literal["open", "decided", "gate", "nothing", "errored"]


@dataclass(frozen=True)
class Judged:
    """end: why no further look is needed; "open" where one might still decide."""

    end: End
    draw: DrawJudged
    gate: DrawJudged | None = None


def judge_draw(stake: Stake, gate: Gate | None, numbers: Numbers) -> Judged:
    """At the first look that decides; at the last one if none does."""
    technique = TECHNIQUES[stake.technique]
    if fault := why_unsound(stake.spec, technique.edits, technique.gated, numbers):
        return _without_reading(numbers, "errored", fault)
    if nothing_was_changed(technique.edits, numbers.soundness):
        return _without_reading(numbers, "nothing", NOTHING_CHANGED)
    try:
        return _first_that_decides(_at_each_look(stake, gate, numbers))
    except NotJudgeable as error:
        return _without_reading(numbers, "errored", str(error))


def alpha_of(numbers: Numbers) -> float:
    """What one interval may miss: the draw's allowance divided by the looks that were planned."""
    match numbers.population:
        case "seeded" | "enumerated":
            return MISS / numbers.planned_looks
        case "stated":
            return MISS_OF_ONE_DRAW / numbers.planned_looks
        case _:
            assert_never(numbers.population)


def chance_of(stake: Stake, gate: Gate | None) -> float:
    """The behavior's chance level. Without a behavior only a metric with a null value of its own can be judged."""
    if gate is not None:
        return gate.chance
    if METRICS[stake.spec.metric].null is None:
        raise ValueError(f"{stake.spec.metric} has no null value of its own: the behavior's chance level is needed")
    return 0.0


def _first_that_decides(looks: Iterator[Judged]) -> Judged:
    judged = next(looks)
    while judged.end == "open":
        following = next(looks, None)
        if following is None:
            break
        judged = following
    return judged


def _at_each_look(stake: Stake, gate: Gate | None, numbers: Numbers) -> Iterator[Judged]:
    for look, count in enumerate(numbers.looks):
        if numbers.population != "enumerated" or count == len(numbers.prompts):
            yield _at_look(stake, gate, Share(numbers, count), look)


def _at_look(stake: Stake, gate: Gate | None, share: Share, look: int) -> Judged:
    alpha = alpha_of(share.numbers)
    shown = _gate(gate, share, look, alpha) if TECHNIQUES[stake.technique].gated else None
    reading = read(stake, [share], chance_of(stake, gate), alpha)
    end, outcome, reason = _end(shown, reading)
    draw = DrawJudged(
        draw=share.numbers.draw,
        prompts=share.count,
        look=look,
        measured=finite_number(reading.measured),
        interval=finite(reading.interval),
        outcome=outcome,
        reason=reason,
        components=reading.components,
    )
    return Judged(end, draw, shown)


def _end(shown: DrawJudged | None, reading: Reading) -> tuple[End, Outcome, str]:
    if shown is not None and shown.outcome != "holds":
        return ("gate" if shown.outcome == "fails" else "open"), "undecided", NOT_SHOWN
    if not reading.normalized:
        return "open", "undecided", "what the report divides by is not shown to differ from zero"
    if reading.holds:
        return "decided", "holds", "the interval lies wholly inside the expectation"
    if reading.fails:
        return "decided", "fails", "the interval lies wholly outside the expectation"
    return "open", "undecided", "the interval reaches across the edge of the expectation"


def _gate(gate: Gate | None, share: Share, look: int, alpha: float) -> DrawJudged:
    """Holds if the interval of the behavior's own metric lies wholly above the threshold."""
    if gate is None:
        raise ValueError("this technique is judged only where the model shows the behavior: its gate is needed")
    sample = gate_sample(share, gate.metric)
    low, high = (float(end) for end in interval(sample, alpha))
    outcome: Outcome = "holds" if low > gate.threshold else "fails" if high <= gate.threshold else "undecided"
    return DrawJudged(
        draw=share.numbers.draw,
        prompts=share.count,
        look=look,
        measured=float(estimate(sample)),
        interval=finite((low, high)),
        outcome=outcome,
        reason=f"{gate.metric} above {gate.threshold:g}",
    )


def _without_reading(numbers: Numbers, end: Literal["errored", "nothing"], reason: str) -> Judged:
    outcome: Outcome = "errored" if end == "errored" else "undecided"
    draw = DrawJudged(
        draw=numbers.draw,
        prompts=len(numbers.prompts),
        look=max(len(numbers.looks) - 1, 0),
        measured=None,
        interval=None,
        outcome=outcome,
        reason=reason,
    )
    return Judged(end, draw)
