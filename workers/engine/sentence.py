"""The generated statement of a claim: what badge, API and embed quote, instead of the author's words."""

from __future__ import annotations

from typing import assert_never

from workers.engine.documents.expect import (
    AtLeast,
    AtMost,
    Between,
    Expect,
    Order,
    RankAtMost,
    SetEquals,
    Top,
    Value,
    bounds,
)
from workers.engine.documents.finding import Claim
from workers.engine.documents.places import Groups, spelled_out
from workers.engine.documents.spec import OtherPrompts, Spec
from workers.engine.metrics import METRICS
from workers.engine.techniques import TECHNIQUES
from workers.engine.words import listed


def sentence(claim: Claim, behavior_title: str, groups: Groups) -> str:
    """From technique, spec, expect and behavior alone; groups are named by their members, not by the author's name
    for them. A claim in words only is quoted as it stands.
    """
    if claim.technique is None or claim.spec is None or claim.expect is None:
        return claim.statement
    spec = spelled_out(claim.spec, groups)
    doing = TECHNIQUES[claim.technique].sentence(spec)
    subject = doing[:1].upper() + doing[1:] + ("," if spec.given or spec.contrast else "")
    where = _where(spec, behavior_title)
    absence = " (that is, next to nothing)" if claim.kind == "absence" else ""
    return f"{subject} {_predicate(spec, claim.expect, where)}{_over(spec, claim.expect)}{absence}."


def _predicate(spec: Spec, expect: Expect, where: str) -> str:
    quantity = _quantity(spec, where)
    match expect:
        case Value() | AtLeast() | AtMost() | Between():
            return f"{_verb(spec, where)} {_amount(expect)}{_in_brackets(_unit(spec), _direction(spec, expect))}"
        case Top():
            others = f"any other of the {expect.of} components"
            return f"gives {_a(quantity)} that is {_more(expect.order)} for {listed(expect.top)} than for {others}"
        case RankAtMost():
            among = "" if expect.rank_at_most == 1 else f"among the {expect.rank_at_most} "
            place = f"{among}{expect.order}" if among else f"the {expect.order}"
            return f"gives {_a(quantity)} that for {expect.component} is {place} of all components"
        case SetEquals():
            side = "above" if expect.order == "largest" else "below"
            threshold = f"{side} {number(expect.threshold)}{_in_brackets(_unit(spec))}"
            return f"gives {_a(quantity)} {threshold} for exactly {listed(expect.set_equals)}"
        case _:
            assert_never(expect)


def _verb(spec: Spec, where: str) -> str:
    metric = _metric(spec)
    if spec.report == "change" and spec.statistic == "mean":
        return f"changes the mean {metric} {where} by"
    if spec.report == "relative_change":
        return f"changes the mean {metric} {where}, relative to what it was, by"
    return f"gives {_a(_quantity(spec, where))} of"


def _quantity(spec: Spec, where: str) -> str:
    """A noun for the reported number, without its article."""
    of_report = _of_report(spec, where)
    match spec.statistic:
        case "mean" | "median":
            return f"{spec.statistic} {of_report}"
        case "ratio_of_means":
            return of_report
        case "fraction":
            return f"share of prompts (ties count half) with {_a(of_report)} above {_null(spec)}"
        case "correlation":
            return f"correlation over prompts of the {of_report} with its untouched value"
        case _:
            assert_never(spec.statistic)


def _of_report(spec: Spec, where: str) -> str:
    metric = _metric(spec)
    match spec.report:
        case "raw":
            return f"{metric} {where}"
        case "change":
            return f"change in {metric} {where}"
        case "relative_change":
            return f"change in mean {metric} {where} relative to what it was"
        case "recovered":
            moved = "recovered" if spec.base == "corrupted" else "lost"
            corrupted = "noised" if spec.corruption is None else f"{spec.corruption}-corrupted"
            between = f"between clean and {corrupted} prompts"
            return f"{moved} share of the difference in mean {metric} {between} {where}"
        case "kept":
            floor = "zero" if spec.counts_from_zero else "where all those components are ablated"
            return f"kept share of mean {metric} {where}, counted from {floor},"
        case _:
            assert_never(spec.report)


def _null(spec: Spec) -> str:
    declared = METRICS[spec.metric].null
    return "zero" if spec.report != "raw" else "chance" if declared is None else number(declared)


def _metric(spec: Spec) -> str:
    return spec.metric.replace("_", " ")


def _where(spec: Spec, behavior_title: str) -> str:
    on = _on(spec, behavior_title)
    return f"{on}, new templates included," if spec.generalizes_to == "templates" else on


def _on(spec: Spec, behavior_title: str) -> str:
    match spec.prompts:
        case OtherPrompts():
            return f"on {spec.prompts.behavior} ({spec.prompts.set} prompts)"
        case "default":
            return f"on {behavior_title}"
        case str():
            return f"on {behavior_title} ({spec.prompts} prompts)"
        case _:
            assert_never(spec.prompts)


def _amount(expect: Value | AtLeast | AtMost | Between) -> str:
    match expect:
        case Value():
            return f"{number(expect.value)} \N{PLUS-MINUS SIGN} {number(expect.tolerance)}"
        case AtLeast():
            return f"{number(expect.at_least)} or more"
        case AtMost():
            return f"{number(expect.at_most)} or less"
        case Between():
            low, high = expect.between
            return f"between {number(low)} and {number(high)}"
        case _:
            assert_never(expect)


def _unit(spec: Spec) -> str:
    """Ratios, fractions and correlations are plain numbers."""
    if spec.statistic not in ("mean", "median"):
        return ""
    return METRICS[spec.metric].unit


def _in_brackets(*told: str) -> str:
    said = ", ".join(filter(None, told))
    return f" ({said})" if said else ""


def _direction(spec: Spec, expect: Value | AtLeast | AtMost | Between) -> str:
    """Which way a change goes, where the expectation says so: "-0.5 or less" is a fall."""
    goes_either_way = spec.report in ("change", "relative_change") and spec.statistic not in ("fraction", "correlation")
    if not goes_either_way or spec.contrast:
        return ""
    low, high = bounds(expect)
    return "a rise" if low > 0 else "a fall" if high < 0 else ""


def _over(spec: Spec, expect: Expect) -> str:
    difference = ", as the difference of the two" if spec.contrast else ""
    if isinstance(expect, Top | RankAtMost | SetEquals):
        return difference
    match spec.over:
        case "group":
            return difference
        case "each":
            return f", for every one of them{difference}"
        case "mean":
            return f", on average over them{difference}"
        case "min":
            return f", for the least of them{difference}"
        case _:
            assert_never(spec.over)


def _more(order: Order) -> str:
    match order:
        case "largest":
            return "larger"
        case "smallest":
            return "smaller"
        case _:
            assert_never(order)


def _a(noun: str) -> str:
    return f"{'an' if noun[:1] in 'aeiou' else 'a'} {noun}"


def number(value: float) -> str:
    """With a minus sign that cannot be taken for a hyphen."""
    return f"{value:g}".replace("-", "\N{MINUS SIGN}")
