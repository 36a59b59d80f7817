"""Prompts in batches: equally long, so that nothing is padded, and few enough for the memory there is."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.engine.anatomy import Loaded
    from workers.engine.prompts import Prompt

MOST_PROMPTS = 256
BUDGET = 256 * 2**20  # bytes that the records of one batch may hold
Key = TypeVar("Key", bound=Hashable)


def grouped(prompts: Sequence[Prompt], key: Callable[[Prompt], Key]) -> dict[Key, list[int]]:
    """The prompts' places in the sequence, by key, in order."""
    groups: dict[Key, list[int]] = {}
    for place, prompt in enumerate(prompts):
        groups.setdefault(key(prompt), []).append(place)
    return groups


def batches(prompts: Sequence[Prompt], loaded: Loaded) -> Iterator[list[int]]:
    """Places of equally long prompts, each batch small enough for its records."""
    for length, places in grouped(prompts, lambda prompt: len(prompt.tokens)).items():
        yield from portions(places, prompts_at_once(loaded, length))


def portions(places: list[int], most: int) -> Iterator[list[int]]:
    return (places[start : start + most] for start in range(0, len(places), most))


def prompts_at_once(loaded: Loaded, length: int) -> int:
    """How many prompts' records fit the budget, at two records for each (clean and corrupted)."""
    per_layer = 3 * loaded.d_model + (loaded.heads + 2 * loaded.kv_heads) * loaded.d_head
    numbers = 2 * length * loaded.layers * per_layer + loaded.heads * length**2
    return max(1, min(MOST_PROMPTS, BUDGET // (4 * numbers)))
