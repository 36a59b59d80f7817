"""The null value of a report: the number that would mean "nothing happened", and which side of it a claim is on."""

from __future__ import annotations

from math import inf
from typing import Literal, assert_never

from workers.engine.documents.expect import AtLeast, AtMost, Between, Expect, RankAtMost, SetEquals, Top, Value
from workers.engine.documents.spec import Spec
from workers.engine.metrics import METRICS

Side = Literal["above", "below"]
Reduce = Literal["group", "mean", "least", "most"]


def null_value(spec: Spec, chance: float) -> float:
    """Declared by metric x report x statistic; a contrast of two arms is 0 when the two do the same.

    fraction: of the prompts above the report's null value, those at it counting one half. correlation: with the clean
    run, which an edit that did nothing leaves at 1.
    """
    if spec.contrast:
        return 0.0
    match spec.statistic:
        case "fraction":
            return 0.5
        case "correlation":
            return spec.null_of_kept if spec.report == "raw" else 0.0
        case "mean" | "ratio_of_means" | "median":
            return null_of_report(spec, chance)
        case _:
            assert_never(spec.statistic)


def null_of_report(spec: Spec, chance: float) -> float:
    """Of one prompt's number: raw is the metric's own null value, or the behavior's chance level where it has none."""
    match spec.report:
        case "raw":
            declared = METRICS[spec.metric].null
            return chance if declared is None else declared
        case "change" | "relative_change" | "recovered":
            return 0.0
        case "kept":
            return spec.null_of_kept
        case _:
            assert_never(spec.report)


def toward(spec: Spec, expect: Expect, chance: float) -> tuple[Side, Reduce]:
    """On which side of the null value the expectation lies, and how a set's own numbers are made one to compare."""
    null = _start(spec, chance)
    match expect:
        case AtLeast():
            return "above", _reduce(spec, "least")
        case AtMost():
            return "below", _reduce(spec, "most")
        case Value():
            return _side(expect.value, null), _reduce(spec, "mean")
        case Between():
            return _side(sum(expect.between) / 2, null), _reduce(spec, "mean")
        case Top() | RankAtMost() | SetEquals():
            return ("above" if expect.order == "largest" else "below"), "mean"
        case _:
            assert_never(expect)


def _start(spec: Spec, chance: float) -> float:
    """Where what the components do starts from.

    A run that keeps them alone starts from one that keeps none: that lies on the worse side of whatever it may show,
    and 0 may be all there is (of a change, of what is lost) as well as nothing.
    """
    if not spec.keeps_only or spec.contrast or spec.statistic == "correlation":
        return null_value(spec, chance)
    metric = METRICS[spec.metric]
    worse = inf if metric.better == "smaller" else -inf
    match spec.report:
        case "raw" | "change" | "relative_change":
            return worse
        case "recovered":  # of edits in the clean run: the share that is lost
            return inf
        case "kept" if spec.counts_from_zero:
            negative = metric.bounds[1] is not None and metric.bounds[1] <= 0
            return -worse if negative else worse
        case "kept":
            return null_value(spec, chance)
        case _:
            assert_never(spec.report)


def _side(middle: float, null: float) -> Side:
    return "above" if middle >= null else "below"


def _reduce(spec: Spec, for_each: Reduce) -> Reduce:
    match spec.over:
        case "group":
            return "group"
        case "each":
            return for_each
        case "mean":
            return "mean"
        case "min":
            return "least"
        case _:
            assert_never(spec.over)
