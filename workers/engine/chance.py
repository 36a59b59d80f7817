"""Chance that comes out the same everywhere: of `random`, Python promises to keep only `Random.random()` unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TypeVar

Item = TypeVar("Item")


def pick(rng: Random, items: Sequence[Item]) -> Item:
    """One of the items, each as likely as another."""
    return items[int(rng.random() * len(items))]


def pick_different(rng: Random, items: Sequence[Item], number: int) -> tuple[Item, ...]:
    """`number` items from different places of `items`, in random order, every order as likely as another."""
    if number > len(items):
        raise ValueError(f"{number} different items cannot be picked from {len(items)}")
    places = range(len(items))
    picked: dict[int, None] = {}
    while len(picked) < number:
        picked[pick(rng, places)] = None
    return tuple(items[place] for place in picked)
