"""What specs of techniques have in common that put values of one run into another, or estimate what that would do."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from workers.engine.documents import spec
from workers.engine.documents.reads import technique_of
from workers.engine.documents.spec import Base, Places, Report


class TwoRunsSpec(spec.Spec):
    """direction: clean values into the corrupted run ("denoise"), or corrupted ones into the clean run ("noise")."""

    # one class between these techniques' specs and the shared one, so that both directions mean the same in all
    components: Places
    direction: Literal["denoise", "noise"] = "denoise"
    report: Report = "recovered"

    @model_validator(mode="after")
    def _compares_two_runs(self) -> Self:
        technique = technique_of(type(self)).replace("_", " ")
        if self.corruption is None:
            raise ValueError(f"{technique} needs a second run: name a corruption of the behavior")
        if self.report == "kept":
            raise ValueError(f"report 'kept' belongs to ablation; {technique} reports 'recovered'")
        return self

    @property
    def base(self) -> Base:
        return "corrupted" if self.direction == "denoise" else "clean"
