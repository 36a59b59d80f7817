"""What a judgement is made of: the stake, and the verdict with everything that was seen on the way to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from workers.engine.documents.document import Document
from workers.engine.documents.expect import ClaimKind, Expect
from workers.engine.documents.model import Dimensions
from workers.engine.documents.spec import Spec

Outcome = Literal["holds", "fails", "undecided", "errored"]
Specific = Literal["yes", "no", "not_testable"]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Stake:
    """What is judged: a claim's technique, spec (written out), expectation and kind.

    dimensions: of the model; null where it does not matter which residual stream is the last, or what a whole model is.
    """

    technique: str
    spec: Spec
    expect: Expect
    kind: ClaimKind
    dimensions: Dimensions | None = None


@dataclass(frozen=True)
class Gate:
    """The behavior's declaration: its metric, the level of chance, and the threshold above which it is shown."""

    metric: str
    chance: float
    threshold: float


class ComponentJudged(Document):
    """measured: null where a ratio divides by nothing. interval: null where there were too few prompts for one."""

    component: str
    measured: float | None
    interval: Interval | None


class DrawJudged(Document):
    """One draw: at which look it was decided, on how many prompts, and what was seen there.

    look: counted from 0. measured, interval: null where nothing could be measured. For `over: each` the component
    nearest to failing; for top the smallest difference, for rank_at_most the rank, for set_equals the smallest margin.
    """

    draw: int
    prompts: int
    look: int
    measured: float | None
    interval: Interval | None
    outcome: Outcome
    reason: str
    components: tuple[ComponentJudged, ...] = ()


class ControlJudged(Document):
    """random_sets: exceeding of tried sets were at least as extreme; p = (1 + r) / (1 + n); rank among tried + own.

    power: whether the reference edit broke the bound.
    """

    kind: Literal["random_sets", "power"]
    exceeding: int | None = None
    tried: int | None = None
    possible: int | None = None
    p: float | None = None
    rank: int | None = None
    pool: str | None = None
    own: float | None = None
    reference: float | None = None
    reference_interval: Interval | None = None
    broke_the_bound: bool | None = None


class Verdict(Document):
    """measured, interval: over all draws pooled. gate: of the draw that decides what the gate says.

    members: components whose own effect was looked for, and whether it was shown in both draws; empty unless an
    effect claim holds. vacuous: the expectation is met by "nothing happened", or too wide; such a claim earns nothing.
    Notes are facts, not judgements.
    """

    outcome: Outcome
    reason: str
    measured: float | None = None
    interval: Interval | None = None
    gate: DrawJudged | None = None
    draws: tuple[DrawJudged, ...] = ()
    specific: Specific | None = None
    control: ControlJudged | None = None
    vacuous: bool = False
    loose: bool = False
    exhaustive: bool = False
    stated_prompts_only: bool = False
    members: dict[str, bool] = {}
