"""Expectations, outcomes, coverage and notes, in words for pages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import assert_never

from wiki.models import Claim
from wiki.pictures.interval import Expected
from workers.engine.documents.expect import (
    AtLeast,
    AtMost,
    Between,
    Expect,
    RankAtMost,
    SetEquals,
    Top,
    Value,
    bounds,
)
from workers.engine.documents.spec import Spec
from workers.engine.metrics import METRICS
from workers.engine.sentence import number
from workers.engine.verdict import Verdict
from workers.engine.words import listed

COVERAGE = {
    "covered": "a claim that holds",
    "in_covered_group_not_shown": "in a covered group, not shown itself",
    "not_covered": "nothing that holds",
    "": "not looked at yet",
}
ROLE_TESTED = {
    "holds": "role tested: holds",
    "fails": "role tested: fails",
    "undecided": "role tested: undecided",
    "no_threshold": "role not tested: no threshold published",
    "not_tested": "role not tested",
    "": "",
}
REPORTS = {
    "relative_change": "share of the untouched value",
    "recovered": "share of the clean–corrupted gap",
    "kept": "share kept",
}


SPELLED = {"kl": "KL", "ov_eigenvalues": "OV eigenvalues"}


@dataclass(frozen=True)
class Note:
    """A fact beside a verdict. warns: it takes away from what the verdict is worth."""

    words: str
    meaning: str
    warns: bool = False


def expected(expect: Expect) -> Expected:
    match expect:
        case Value():
            low, high = bounds(expect)
            return Expected(f"{number(expect.value)} ± {number(expect.tolerance)}", low, high)
        case AtLeast():
            return Expected(f"at least {number(expect.at_least)}", *bounds(expect))
        case AtMost():
            return Expected(f"at most {number(expect.at_most)}", *bounds(expect))
        case Between():
            low, high = expect.between
            return Expected(f"{number(low)} to {number(high)}", low, high)
        case Top():
            return Expected(f"{listed(expect.top)} {expect.order} of {expect.of}")
        case RankAtMost():
            return Expected(f"{expect.component} among the {expect.rank_at_most} {expect.order}")
        case SetEquals():
            return _set(expect)
        case _:
            assert_never(expect)


def _set(expect: SetEquals) -> Expected:
    members = listed(expect.set_equals)
    if expect.order == "largest":
        return Expected(f"exactly {members} above {number(expect.threshold)}", low=expect.threshold)
    return Expected(f"exactly {members} below {number(expect.threshold)}", high=expect.threshold)


def measured_label(expect: Expect, spec: Spec) -> str:
    """What the one measured number of a verdict is."""
    match expect:
        case Top():
            return "Smallest lead"
        case RankAtMost():
            return "Rank"
        case SetEquals():
            return "Smallest margin"
        case Value() | AtLeast() | AtMost() | Between():
            return "Nearest to failing" if spec.over == "each" else "Measured"
        case _:
            assert_never(expect)


def unit(spec: Spec) -> str:
    """What the reported number counts, for the end of an axis."""
    match spec.statistic:
        case "fraction":
            return "share of prompts"
        case "correlation":
            return "correlation"
        case "mean" | "median" | "ratio_of_means":
            return REPORTS.get(spec.report) or f"{'change in ' * (spec.report == 'change')}{_counted(spec.metric)}"
        case _:
            assert_never(spec.statistic)


def kind_of_sets(pool: str | None) -> str:
    """What a control tried instead of the claim's own components."""
    return "random directions" if pool == "random directions" else "random sets"


def metric_words(metric: str) -> str:
    return SPELLED.get(metric) or metric.replace("_", " ")


def _counted(metric: str) -> str:
    """The metric and its unit; once where both say the same."""
    name, counts = metric_words(metric), METRICS[metric].unit
    if name in counts or counts in name:
        return max(name, counts, key=len)
    return f"{name} ({counts})"


def notes(claim: Claim, verdict: Verdict | None) -> Iterator[Note]:
    if claim.expectation is not None and claim.expectation.stated_after_measuring:
        earlier = claim.expectation.earlier
        counted = f" ({earlier} earlier)" if earlier else ""
        yield Note(
            f"stated after measuring{counted}", "Saved after a run of this measurement; judged on new prompts.", True
        )
    if claim.reworded:
        yield Note("wording not reviewed since measured", "The author's words changed after the measurement.", True)
    if claim.depends_on_ablation:
        yield Note(
            "depends on ablation", "Ablated in another way, the components have an effect of the other sign.", True
        )
    if verdict is not None:
        yield from _of_verdict(verdict)


def _of_verdict(verdict: Verdict) -> Iterator[Note]:
    if verdict.vacuous:
        yield Note("vacuous", "“Nothing happened” would satisfy it, or the range is too wide; it earns nothing.", True)
    if verdict.loose:
        yield Note("loose", "The tolerance is more than a quarter of the expected value.", True)
    if verdict.specific == "yes":
        yield Note("specific", "At most one in twenty random sets does as much.")
    if verdict.specific == "no":
        yield Note("not specific", "Other components would do just as well.", True)
    if verdict.specific == "not_testable":
        yield Note("no random control possible", "The model has too few other components to compare with.", True)
    if verdict.stated_prompts_only:
        yield Note("stated prompts only", "A fixed list of prompts; nothing is said about others.", True)
    if verdict.exhaustive:
        yield Note("exhaustive", "Every possible prompt was run; the value is exact.")
