"""What is claimed of the hand-set model: each kind of expectation with its truth at the boundary, inside and outside.

A tolerance is a tenth of the spread of the effect from prompt to prompt. Stakes of one measurement are judged on the
same draws.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.hand_set.population import Truth
from benchmarks.hand_set.weights import component

Where = Literal["boundary", "inside", "outside"]
OFFSET: dict[Where, int] = {"boundary": 0, "inside": 1, "outside": -1}
Which = Literal["planted", "without_behavior", "scrambled"]
WHERES: tuple[Where, ...] = ("boundary", "inside", "outside")

PAIR = ("either", "or")
RANKED = ("loud", "one", "another", "less", "low")
MANY = ("reader", "chooser", "loud", "one", "another", "less")


@dataclass(frozen=True)
class Staked:
    """name: the kind of expectation. where: the truth, in tolerances towards the inside."""

    name: str
    where: Where
    expect: dict[str, Any]


@dataclass(frozen=True)
class Measured:
    """One measurement and what is staked on it. about: the heads, in words. nodes: of the finding's circuit."""

    about: str
    spec: dict[str, Any]
    stakes: tuple[Staked, ...]
    nodes: tuple[str, ...]
    model: Which = "planted"
    kind: Literal["effect", "absence"] = "effect"


def ablated() -> list[tuple[str, ...]]:
    """The ablations whose truth the stakes need."""
    return [("reader",), ("negative",), PAIR, ("low",), MANY, ("reader", "passenger")]


def measurements(truth: Truth) -> Iterator[Measured]:
    yield _one("reader, of a two-step circuit", truth.change("reader"), 0.1, ("reader",), ("carrier", "reader"))
    yield _one("a negative head", truth.change("negative"), 0.05, ("negative",), ("negative",))
    yield _one("two redundant heads", truth.change(*PAIR), 0.1, PAIR, PAIR)
    both = ("reader", "passenger")
    yield _one("a head and its passenger", truth.change(*both), 0.1, both, both)
    yield _ranked()
    yield _absent(truth.change("low"), 0.02)
    yield _relative(truth.relative_change("reader"))
    yield _accuracy(truth.accuracy(*MANY))
    yield from _nothing_there(truth.change("reader"))


def _spec(*names: str, **more: Any) -> dict[str, Any]:
    return {"metric": "logit_diff", "components": [component(name) for name in names], "ablation": "zero", **more}


def _one(about: str, true: float, tolerance: float, names: tuple[str, ...], nodes: tuple[str, ...]) -> Measured:
    """A change of the logit difference, claimed as a number, a range, and a bound on the side where it lies."""
    stakes: list[Staked] = []
    for where in WHERES:
        inside = OFFSET[where] * tolerance
        bound = {"at_most": true + inside} if true < 0 else {"at_least": true - inside}
        middle = true + tolerance - inside  # the upper end lies at the truth, or beyond it
        stakes += [
            Staked(next(iter(bound)), where, bound),
            Staked("value", where, {"value": middle, "tolerance": tolerance}),
            Staked("between", where, {"between": [middle - tolerance, middle + tolerance]}),
        ]
    return Measured(about, _spec(*names), tuple(stakes), nodes)


def _ranked() -> Measured:
    """Mean effects of -1.1, -1, -1, -0.9 and -0.2; the difference of two spreads by 0.7 times the root of 2."""
    loud, one, another, less, _ = map(component, RANKED)
    order = {"order": "smallest"}
    edge, tolerance = -0.9, 0.07

    def top(*claimed: str) -> dict[str, Any]:
        return {"top": list(claimed), "of": len(RANKED), **order}

    def rank(claimed: str, at_most: int) -> dict[str, Any]:
        return {"rank_at_most": at_most, "component": claimed, **order}

    stakes = [
        Staked("top", "boundary", top(loud, one)),
        Staked("top", "inside", top(loud)),
        Staked("top", "outside", top(loud, less)),
        Staked("rank_at_most", "boundary", rank(one, 2)),
        Staked("rank_at_most", "inside", rank(loud, 1)),
        Staked("rank_at_most", "outside", rank(one, 1)),
    ]
    for where in WHERES:
        threshold = edge + OFFSET[where] * tolerance
        equals = {"set_equals": [loud, one, another, less], "threshold": threshold, **order}
        stakes.append(Staked("set_equals", where, equals))
    return Measured("five ranked heads", _spec(*RANKED, over="each"), tuple(stakes), RANKED)


def _absent(true: float, tolerance: float) -> Measured:
    """A head of small effect, said to have none: the bounds are as wide as its effect, or a tolerance off."""
    widths = {where: abs(true) + OFFSET[where] * tolerance for where in WHERES}
    stakes = (Staked("absence", where, {"between": [-width, width]}) for where, width in widths.items())
    return Measured("a head of small effect", _spec("low"), tuple(stakes), ("low",), kind="absence")


def _relative(true: float) -> Measured:
    """A ratio of means; the change spreads by its own size."""
    stakes = (Staked("at_most of a ratio", where, {"at_most": true * (1 - 0.1 * OFFSET[where])}) for where in WHERES)
    return Measured(
        "reader, of a two-step circuit", _spec("reader", report="relative_change"), tuple(stakes), ("carrier", "reader")
    )


def _accuracy(true: float) -> Measured:
    """How often the answer is still right without six heads; a share of prompts spreads by sqrt(p (1 - p))."""
    tolerance = 0.1 * (true * (1 - true)) ** 0.5
    stakes = (Staked("accuracy at_most", where, {"at_most": true + OFFSET[where] * tolerance}) for where in WHERES)
    spec = _spec(*MANY, metric="accuracy", report="raw")
    return Measured("six heads", spec, tuple(stakes), MANY)


def _nothing_there(true: float) -> Iterator[Measured]:
    """What holds of the planted circuit, claimed of a model without the behavior, and of one with its heads moved."""
    claimed = (Staked("at_most", "outside", {"at_most": 0.9 * true}),)
    for model in ("without_behavior", "scrambled"):
        yield Measured("reader, where there is none", _spec("reader"), claimed, ("carrier", "reader"), model)
