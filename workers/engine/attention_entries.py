"""The attention entries that a component means in each prompt, and their weights in a pattern."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from workers.engine.documents.components import Component
from workers.engine.prompts import Refused
from workers.engine.setting import Setting, index_of

Entries = tuple[tuple[int, int], ...]
"""(query, key) indices within one prompt."""


def weights_of(pattern: Callable[[int], Tensor], place: Component, entries: Sequence[Entries]) -> list[Tensor]:
    """Per prompt the weights of its entries, (n,). pattern: layer -> (batch, heads, query, key)."""
    assert place.layer is not None and place.head is not None
    seen = pattern(place.layer)[:, place.head]  # (batch, query, key)
    indices = [tuple(map(list, zip(*some, strict=True))) for some in entries]
    return [seen[i, queries, keys] for i, (queries, keys) in enumerate(indices)]


def entries_of(setting: Setting, place: Component) -> list[Entries]:
    """Per prompt the (query, key) indices meant; raises Refused, naming the prompt that lacks them."""
    assert place.entry is not None
    found: list[Entries] = []
    for prompt in setting.prompts:
        if place.entry.query is not None and place.entry.key is not None:
            found.append(((index_of(prompt, place.entry.query), index_of(prompt, place.entry.key)),))
        elif prompt.entries.get(str(place.entry)):
            found.append(prompt.entries[str(place.entry)])
        else:
            raise Refused(f"{prompt.text!r} names no attention entries {place.entry}")
    return found
