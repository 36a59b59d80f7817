"""What specs of techniques that only read have in common: a number of their own, off heads or entries of a pattern."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self, assert_never

from pydantic import AfterValidator, field_validator, model_validator

from workers.engine.documents import spec
from workers.engine.documents.components import NotAComponent, component, position_of
from workers.engine.documents.spec import Places


def _is_a_position(text: str) -> str:
    try:
        return str(position_of(text, text))
    except NotAComponent as error:
        raise ValueError(str(error)) from error


PositionText = Annotated[str, AfterValidator(_is_a_position)]
"""A position of the prompts by name: END, S1+1."""


class ReadingSpec(spec.Spec):
    """components: looked at one by one: `each` must meet the expectation, or their mean or least.

    READS: what they are. The metric is the technique's own, the default of its field.
    """

    # one class between these techniques' specs and the shared one, so that what holds for reading stands once
    READS: ClassVar[Literal["heads", "entries"]] = "heads"
    components: Places
    report: Literal["raw"] = "raw"
    over: Literal["each", "mean", "min"] = "each"

    @field_validator("metric")
    @classmethod
    def _known_metric(cls, name: str) -> str:
        return require_own_metric(name, cls)

    @model_validator(mode="after")
    def _only_reads(self) -> Self:
        match self.READS:
            case "heads":
                _require_whole_heads(self.components, technique_of(type(self)))
            case "entries":
                _require_entries(self.components)
            case _:
                assert_never(self.READS)
        require_untouched(self)
        return self


def technique_of(kind: type[spec.Spec]) -> str:
    """A technique is called what its file is called."""
    return kind.__module__.rpartition(".")[2]


def require_own_metric(stated: str, kind: type[spec.Spec]) -> str:
    own = kind.model_fields["metric"].default
    if stated != own:
        raise ValueError(f"{technique_of(kind)} brings a number of its own: its metric is {own!r}")
    return stated


def require_untouched(stated: spec.Spec) -> None:
    if stated.given or stated.contrast or stated.corruption:
        raise ValueError(f"{technique_of(type(stated))} edits nothing: remove given, contrast and corruption")


def _require_whole_heads(places: tuple[str, ...], technique: str) -> None:
    """A head's matrices, and its pattern, are the head's: they have no position and are not its q, k or v alone."""
    for text in places:
        if text.startswith("#") and "@" not in text:
            continue
        place = None if text.startswith("#") else component(text)
        if place is None or place.kind != "head" or place.part is not None or place.position is not None:
            raise ValueError(f"{text}: {technique} is about whole heads; write 9.9, *.* or #group, without a position")


def _require_entries(places: tuple[str, ...]) -> None:
    for text in places:
        if text.startswith("#") or component(text).kind != "entry":
            raise ValueError(f"{text} is no attention entry; write 9.9[QUERY>KEY], or a named set as 9.9[induction]")
