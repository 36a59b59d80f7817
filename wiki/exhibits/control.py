"""A claim's control: would any components do (random sets), or could the claim have failed (power)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.safestring import SafeString

from wiki.exhibits.run import exhibit
from wiki.exhibits.words import kind_of_sets
from wiki.models import Claim, Run
from wiki.pictures.svg import figure
from workers.engine.verdict import ControlJudged, Verdict


@dataclass(frozen=True)
class ControlShown:
    label: str
    words: str
    run: Run | None
    svg: SafeString | None = None
    caption: str = ""


def control_shown(row: Claim, verdict: Verdict | None, runs: Mapping[tuple[str, int], Run]) -> ControlShown | None:
    if verdict is None or verdict.control is None or row.control_id is None:
        return None
    run = runs.get((row.control_id, 0))
    if verdict.control.kind == "power":
        return ControlShown("Could have failed", _power(verdict.control), run)
    svg = exhibit(run).control if run is not None else None
    caption = f"Bars: {_tried(verdict.control)}. Line: this claim. Outlined bars are at least as extreme."
    return ControlShown("Random control", _random_sets(verdict.control), run, svg, caption)


def _tried(control: ControlJudged) -> str:
    what = kind_of_sets(control.pool)
    return "random sets of as many components" if what == "random sets" else f"{what} in place of the fitted one"


def _random_sets(control: ControlJudged) -> str:
    if not control.tried:
        return "there are no other components to compare with"
    parts = [f"{control.exceeding} of {control.tried} {kind_of_sets(control.pool)} at least as extreme"]
    if control.p is not None:
        parts.append(f"p = {figure(control.p)}")
    if control.rank is not None:
        parts.append(f"rank {control.rank} of {control.tried + 1}")
    if control.pool in ("same layers", "any layer"):
        parts.append("from the same layers" if control.pool == "same layers" else "from any layer")
    return "; ".join(parts)


def _power(control: ControlJudged) -> str:
    broke = "breaks the bound" if control.broke_the_bound else "does not break the bound"
    if control.reference is None:
        return f"the reference edit {broke}"
    return f"the reference edit gives {figure(control.reference)}, which {broke}"
