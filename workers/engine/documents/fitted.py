"""What specs of fitted directions have in common: where a direction can be fitted, and where it can be written."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from workers.engine.documents import spec
from workers.engine.documents.components import component
from workers.engine.documents.document import Slug
from workers.engine.documents.spec import Base, OtherPrompts, Places, Report

STREAMS = ("resid", "embed", "attn", "mlp")
"""Components as wide as the residual stream, so that one direction means the same in all of them."""


class FittedSpec(spec.Spec):
    """plus: the prompts whose mean the direction points to (null: the same kind of prompts, drawn apart). minus: those
    whose mean it points from (null: those of plus, corrupted). run_on: the run that is edited. random: the number of a
    random direction that stands in for the fitted one.
    """

    # one class between these techniques' specs and the shared one, so that a direction means the same in both
    components: Places
    plus: Slug | OtherPrompts | None = None
    minus: Slug | OtherPrompts | None = None
    run_on: Base = "clean"
    random: int | None = Field(default=None, ge=0)
    report: Report = "change"

    @model_validator(mode="after")
    def _is_fitted_and_written(self) -> Self:
        if self.report == "kept":
            raise ValueError("report 'kept' belongs to ablation of components; report 'change' or 'recovered'")
        for text in (*self.components, *self.contrast):
            if not text.startswith("#") and component(text).kind not in STREAMS:
                raise ValueError(f"{text} is not the residual stream nor added to it; name resid, embed, attn or mlp")
        if self.minus is None and self.corruption is None:
            raise ValueError("a direction leads from one kind of prompts to another: name a corruption, or minus")
        if self.run_on == "corrupted" and self.corruption is None:
            raise ValueError("run_on 'corrupted' needs corrupted prompts: name a corruption of the behavior")
        return self

    @property
    def base(self) -> Base:
        return self.run_on

    @property
    def replaces(self) -> bool:
        return False

    @property
    def other_prompts(self) -> dict[str, Slug | OtherPrompts]:
        named = {"plus": self.plus, "minus": self.minus}
        return {name: prompts for name, prompts in named.items() if prompts is not None}

    def along_a_random_direction(self, number: int) -> Self:
        """What the control tries."""
        return self.model_copy(update={"random": number})


def adds_what_stands_there(name: str, at: str, coefficient: float) -> bool:
    """A vector from elsewhere, or more of it than the place ever holds, says nothing of what the place computes."""
    return component(at).without_position() == component(name).without_position() and abs(coefficient) <= 1


def fits_at(text: str) -> None:
    """A direction is fitted at one place of each prompt."""
    place = None if text.startswith("#") else component(text)
    if place is None or place.kind not in STREAMS or place.is_wildcard or place.position is None:
        raise ValueError(f"at: {text} is not one place of a prompt; write where the direction is fitted as resid.5@END")
