"""Lists of places, said in words."""

from __future__ import annotations

from collections.abc import Iterable

from workers.engine.documents.spec import Given, Over


def listed(places: Iterable[str]) -> str:
    """("9.9", "9.6", "10.0") -> "9.9, 9.6 and 10.0"."""
    *first, last = places
    return f"{', '.join(first)} and {last}" if first else last


def places_in_words(places: tuple[str, ...], over: Over) -> str:
    """Whether several places are meant together or one at a time; groups keep their #."""
    if over == "group" or (len(places) == 1 and not _means_several(places[0])):
        return listed(places)
    return f"each of {listed(places)} alone"


def given_in_words(given: tuple[Given, ...]) -> str:
    """ "" or ", given that 9.9 and 9.6 are mean-ablated"."""
    return "".join(f", given that {listed(item.components)} {_are(item)} {item.ablation}-ablated" for item in given)


def contrast_in_words(contrast: tuple[str, ...]) -> str:
    return f", compared with {listed(contrast)} instead" if contrast else ""


def _means_several(place: str) -> bool:
    return "*" in place or place.startswith("#")


def _are(given: Given) -> str:
    return "are" if len(given.components) > 1 else "is"
