"""What specs of fitted directions have in common: where a direction can be fitted, and where it can be written."""

from __future__ import annotations

from workers.engine.documents.components import component
from workers.engine.documents.spec import Base, OtherPrompts

STREAMS = ("resid", "embed", "attn", "mlp")
"""Components as wide as the residual stream, so that one direction means the same in all of them."""


def edits_streams(places: tuple[str, ...]) -> None:
    for text in places:
        if not text.startswith("#") and component(text).kind not in STREAMS:
            raise ValueError(f"{text} is not the residual stream nor added to it; name resid, embed, attn or mlp")


def adds_what_stands_there(name: str, at: str, coefficient: float) -> bool:
    """A vector from elsewhere, or more of it than the place ever holds, says nothing of what the place computes."""
    return component(at).without_position() == component(name).without_position() and abs(coefficient) <= 1


def fits_at(text: str) -> None:
    """A direction is fitted at one place of each prompt."""
    place = None if text.startswith("#") else component(text)
    if place is None or place.kind not in STREAMS or place.is_wildcard or place.position is None:
        raise ValueError(f"at: {text} is not one place of a prompt; write where the direction is fitted as resid.5@END")


def tells_two_kinds_apart(minus: str | OtherPrompts | None, corruption: str | None, run_on: Base) -> None:
    if minus is None and corruption is None:
        raise ValueError("a direction leads from one kind of prompts to another: name a corruption, or minus")
    if run_on == "corrupted" and corruption is None:
        raise ValueError("run_on 'corrupted' needs corrupted prompts: name a corruption of the behavior")
