"""Which other components could have been claimed: pools of like ones, and the sets drawn from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, islice, product
from math import comb, prod
from random import Random
from typing import Literal, TypeVar, assert_never

from workers.engine.chance import pick_different
from workers.engine.documents.canonical import LARGEST_INTEGER
from workers.engine.documents.components import Component, component
from workers.engine.documents.model import Dimensions
from workers.engine.specificity import FEWEST_SETS

ENUMERATED_BELOW = 200
Item = TypeVar("Item")
Chosen = tuple[str, ...]
PoolName = Literal["same layers", "any layer", "random directions"]


@dataclass(frozen=True)
class Slot:
    """`count` different ones of the candidates have to be taken."""

    candidates: tuple[Component, ...]
    count: int

    @property
    def ways(self) -> int:
        return comb(len(self.candidates), self.count)


@dataclass(frozen=True)
class Pool:
    """excluded: what no set may contain, by name."""

    name: PoolName
    slots: tuple[Slot, ...]
    excluded: tuple[str, ...]

    @property
    def possible(self) -> int:
        """How many different sets there are; beyond 2^53 it is that."""
        return min(LARGEST_INTEGER, prod(slot.ways for slot in self.slots)) if self.slots else 0


def choose_pool(own: Sequence[str], exclude: Sequence[str], dimensions: Dimensions) -> Pool:
    """As many components of each kind at each position: of the very same layers, else, if too few, of any layer."""
    near, far = (_pool(name, own, exclude, dimensions) for name in ("same layers", "any layer"))
    return near if near.possible >= FEWEST_SETS or near.possible >= far.possible else far


def sets_of(pool: Pool, wanted: int, seed: int) -> Iterator[Chosen]:
    """All of a small pool in random order, else so many different ones, drawn at random."""
    rng = Random(seed)
    if pool.possible < ENUMERATED_BELOW:
        every = [
            _written(chosen) for chosen in product(*(combinations(slot.candidates, slot.count) for slot in pool.slots))
        ]
        yield from pick_different(rng, every, len(every)) if pool.possible else ()
        return
    seen: set[Chosen] = set()
    while len(seen) < wanted:
        drawn = _written([pick_different(rng, slot.candidates, slot.count) for slot in pool.slots])
        if drawn not in seen:
            seen.add(drawn)
            yield drawn


def _pool(name: PoolName, own: Sequence[str], exclude: Sequence[str], dimensions: Dimensions) -> Pool:
    places = [component(text) for text in own]
    taken = {_place(component(text)) for text in (*own, *exclude)}
    alike: dict[Component, int] = {}
    for place in places:
        key = replace(place, head=None, neuron=None, layer=place.layer if name == "same layers" else None)
        alike[key] = alike.get(key, 0) + 1
    slots = [Slot(tuple(_candidates(like, taken, dimensions)), count) for like, count in alike.items()]
    return Pool(name, tuple(slots), tuple(sorted(map(str, taken))))


def _candidates(like: Component, taken: set[Component], dimensions: Dimensions) -> Iterator[Component]:
    """Components of the kind, part and position of `like`, in its layer if it has one."""
    for layer in range(dimensions.layers) if like.layer is None else (like.layer,):
        for place in _of_layer(replace(like, layer=layer), dimensions):
            if _place(place) not in taken:
                yield place


def _of_layer(like: Component, dimensions: Dimensions) -> Iterator[Component]:
    match like.kind:
        case "head":
            yield from (replace(like, head=head) for head in range(dimensions.heads))
        case "neuron":
            yield from (replace(like, neuron=neuron) for neuron in range(dimensions.d_mlp))
        case "mlp" | "attn" | "resid":
            yield like
        case "entry" | "embed" | "logits":
            return  # there is nothing else of that kind
        case _:
            assert_never(like.kind)


def _place(one: Component) -> Component:
    """Where a component is, whatever of it is meant and at whichever position."""
    kind = "head" if one.kind == "entry" else one.kind
    return replace(one, kind=kind, part=None, entry=None, position=None)


def _written(chosen: Sequence[Sequence[Component]]) -> Chosen:
    return tuple(str(place) for place in sorted((one for part in chosen for one in part), key=lambda one: one.sort_key))


def portions(sets: Iterator[Item], size: int) -> Iterator[list[Item]]:
    while some := list(islice(sets, size)):
        yield some
