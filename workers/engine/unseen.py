"""Drawing what has not come yet, for as long as there seems to be something new."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar

TRIES = 100
Item = TypeVar("Item")


def unseen(draw: Callable[[], Item], key: Callable[[Item], Hashable], seen: set[Hashable]) -> Item:
    """An item whose key is not in `seen`, and is from now on; nothing counts as seen once new ones are hard to find."""
    for _ in range(TRIES):
        item = draw()
        if key(item) not in seen:
            break
    else:
        seen.clear()
    seen.add(key(item))
    return item
