"""What specs of techniques that only read a head have in common: whole heads, their own metric, nothing edited."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from workers.engine.documents.components import NotAComponent, component, position_of
from workers.engine.documents.spec import Spec


def _is_a_position(text: str) -> str:
    try:
        return str(position_of(text, text))
    except NotAComponent as error:
        raise ValueError(str(error)) from error


PositionText = Annotated[str, AfterValidator(_is_a_position)]
"""A position of the prompts by name: END, S1+1."""


def require_own_metric(stated: str, own: str, technique: str) -> str:
    if stated != own:
        raise ValueError(f"{technique} brings a number of its own: its metric is {own!r}")
    return stated


def require_whole_heads(places: tuple[str, ...], technique: str) -> None:
    """A head's matrices, and its pattern, are the head's: they have no position and are not its q, k or v alone."""
    for text in places:
        if text.startswith("#") and "@" not in text:
            continue
        place = None if text.startswith("#") else component(text)
        if place is None or place.kind != "head" or place.part is not None or place.position is not None:
            raise ValueError(f"{text}: {technique} is about whole heads; write 9.9, *.* or #group, without a position")


def require_untouched(spec: Spec, technique: str) -> None:
    if spec.given or spec.contrast or spec.corruption:
        raise ValueError(f"{technique} edits nothing: remove given, contrast and corruption")
