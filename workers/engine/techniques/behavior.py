"""Behavior: the untouched model's own number on the task.

Tests whether the model does the task at all, and how well. It says nothing about how: it can take a badge away and
never give one. Holds for any model and prompts. Source: every circuit paper states it first; for indirect object
identification Wang et al. 2022 (arXiv 2211.00593), section 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Self

from pydantic import model_validator

from workers.engine.documents import spec
from workers.engine.techniques import Technique

if TYPE_CHECKING:
    from workers.engine.setting import Effects, Setting


class Spec(spec.Spec):
    """Nothing but what all techniques share; nothing is edited, so only the raw number can be reported."""

    report: Literal["raw"] = "raw"
    over: Literal["group"] = "group"

    @model_validator(mode="after")
    def _edits_nothing(self) -> Self:
        if self.given or self.contrast or self.corruption:
            raise ValueError("the technique behavior edits nothing: remove given, contrast and corruption")
        return self


def run(setting: Setting, specs: Sequence[Spec]) -> Effects:
    """The clean run's number, once per spec."""
    return (setting.untouched(setting.clean),) * len(specs)


def sentence(spec: Spec) -> str:
    return "running the model untouched"


TECHNIQUE = Technique(
    version=1,
    spec=Spec,
    causal=False,
    gated=False,
    controlled=False,
    edits=False,
    run=run,
    sentence=sentence,
)
