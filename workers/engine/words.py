"""Lists of places, said in words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from workers.engine.documents.document import Slug
from workers.engine.documents.spec import Ablation, Base, Given, OtherPrompts, Over

MOST_EDGES_TOLD = 12
Kinds = tuple[Slug | OtherPrompts | None, Slug | OtherPrompts | None]


def listed(places: Iterable[str]) -> str:
    """("9.9", "9.6", "10.0") -> "9.9, 9.6 and 10.0"."""
    *first, last = places
    return f"{', '.join(first)} and {last}" if first else last


def places_in_words(places: tuple[str, ...], over: Over) -> str:
    """Whether several places are meant together or one at a time; groups keep their #."""
    if over == "group" or (len(places) == 1 and not _means_several(places[0])):
        return listed(places)
    return f"each of {listed(places)} alone"


def edges_in_words(edges: tuple[tuple[str, str], ...]) -> str:
    """(("0.1", "logits"), …) -> "the edges 0.1 → logits and …"; of many the first, and how many there are."""
    if not edges:
        return "no edges"
    told = [f"{sender} → {receiver}" for sender, receiver in edges[:MOST_EDGES_TOLD]]
    more = len(edges) - len(told)
    every = [*told, f"{more} more"] if more else told
    return f"the edge{'s' if len(edges) > 1 else ''} {listed(every)}"


def given_in_words(given: tuple[Given, ...]) -> str:
    """ "" or ", given that 9.9 and 9.6 are mean-ablated"."""
    return "".join(f", given that {listed(item.components)} {_are(item)} {item.ablation}-ablated" for item in given)


def contrast_in_words(contrast: tuple[str, ...]) -> str:
    return f", compared with {listed(contrast)} instead" if contrast else ""


def would_do_in_words(base: Base, corruption: str | None) -> str:
    """What an estimate speaks of: values of one run, put into the other."""
    match base:
        case "corrupted":
            return f"on clean prompts would do in the run on {corruption}-corrupted ones"
        case "clean":
            return f"on {corruption}-corrupted prompts would do in the clean run"
        case _:
            assert_never(base)


def direction_in_words(at: str, kinds: Kinds, corruption: str | None, random: int | None) -> str:
    """kinds: the prompts whose mean a direction leads to, and those whose mean it leads from."""
    if random is not None:
        return f"random direction {random} as long as the difference in means at {at}"
    plus, minus = kinds
    to, source = prompts_in_words(plus, "clean prompts"), prompts_in_words(minus, f"{corruption}-corrupted ones")
    return f"the difference in means at {at} between {to} and {source}"


def prompts_in_words(prompts: Slug | OtherPrompts | None, unless_named: str) -> str:
    if prompts is None:
        return unless_named
    return f"{prompts.behavior}/{prompts.set}" if isinstance(prompts, OtherPrompts) else f"{prompts!r} prompts"


def replacement_in_words(
    ablation: Ablation, corruption: str | None, mean_over: Slug | OtherPrompts | None, averaged: str
) -> str:
    """What takes the place of an ablated component."""
    corrupted = f"{corruption}-corrupted " if corruption else ""
    elsewhere = "" if mean_over is None else f" of {_named(mean_over)}"
    match ablation:
        case "zero":
            return "zero"
        case "mean":
            pooled = ", pooled over positions" if averaged == "pooled" else ""
            return f"the mean over other {corrupted}prompts{elsewhere}{pooled}"
        case "resample":
            return f"the values on another {corrupted}prompt{elsewhere}"
        case _:
            assert_never(ablation)


def _named(prompts: str | OtherPrompts) -> str:
    return f"{prompts.behavior}/{prompts.set}" if isinstance(prompts, OtherPrompts) else prompts


def others_in_words(others: str) -> str:
    return "heads" if others == "heads" else "heads and MLPs"


def _means_several(place: str) -> bool:
    return "*" in place or place.startswith("#")


def _are(given: Given) -> str:
    return "are" if len(given.components) > 1 else "is"
