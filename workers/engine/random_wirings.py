"""Which other circuits of edges could have been claimed: wired alike, with other heads of the same layers.

Each head of the circuit is exchanged for one of its layer, a different one for each, which the circuit and the finding
do not name; where a layer has too few such, for any of the layer. Embedding, MLPs and logits stay what they are. So the
control asks whether it matters which heads they are, at this wiring; it does not ask whether the wiring matters.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import permutations, product
from math import perm, prod
from random import Random

from workers.engine.chance import pick_different
from workers.engine.documents.canonical import LARGEST_INTEGER
from workers.engine.documents.circuit_edges import Edge, in_order
from workers.engine.documents.components import Component, component
from workers.engine.documents.model import Dimensions
from workers.engine.random_sets import Chosen

WRITTEN_OUT = 200_000  # edges in all that may be written out to know every circuit there is
ATTEMPTS = 4
"""For each circuit wanted: of heads that are wired alike, many exchanges make the same circuit."""

Heads = tuple[int, ...]


@dataclass(frozen=True)
class Layer:
    """own: the circuit's heads of a layer. free: those they may be exchanged for."""

    number: int
    own: Heads
    free: Heads

    @property
    def ways(self) -> int:
        return perm(len(self.free), len(self.own))


@dataclass(frozen=True)
class Wirings:
    """possible: how many other circuits there are; where they are many, how many ways to exchange the heads.

    circuits: which head stands for which, in words, and the edges.
    """

    possible: int
    circuits: tuple[tuple[Chosen, tuple[Edge, ...]], ...]


def rewired(edges: Sequence[Edge], exclude: Sequence[str], size: Dimensions, wanted: int, seed: int) -> Wirings:
    """So many other circuits wired alike, in random order; fewer if there are fewer, or few are found."""
    layers, rng = _layers(edges, exclude, size), Random(seed)
    ends = [(component(sender), component(receiver)) for sender, receiver in edges]
    ways = prod(layer.ways for layer in layers)
    whole = ways * len(edges) <= WRITTEN_OUT
    found: dict[tuple[Edge, ...], Chosen] = {}
    for others in _every(layers) if whole else _drawn(layers, rng, ATTEMPTS * wanted):
        names, circuit = _exchanged(ends, layers, others)
        if circuit != tuple(edges):
            found.setdefault(circuit, names)
        if not whole and len(found) == wanted:
            break
    circuits = [(names, circuit) for circuit, names in found.items()]
    possible = len(found) if whole or len(found) < wanted else min(LARGEST_INTEGER, ways)
    return Wirings(possible, pick_different(rng, circuits, min(wanted, len(circuits))) if whole else tuple(circuits))


def _layers(edges: Sequence[Edge], exclude: Sequence[str], size: Dimensions) -> list[Layer]:
    own = _heads(text for edge in edges for text in edge)
    named = own | _heads(exclude)
    found = []
    for number in sorted({layer for layer, _ in own}):
        mine = tuple(sorted(head for layer, head in own if layer == number))
        free = tuple(head for head in range(size.heads) if (number, head) not in named)
        found.append(Layer(number, mine, free if len(free) >= len(mine) else tuple(range(size.heads))))
    return found


def _heads(texts: Iterable[str]) -> set[tuple[int, int]]:
    places = map(component, texts)
    return {
        (place.layer, place.head)
        for place in places
        if place.kind == "head" and place.layer is not None and place.head is not None
    }


def _every(layers: Sequence[Layer]) -> Iterator[tuple[Heads, ...]]:
    yield from product(*(permutations(layer.free, len(layer.own)) for layer in layers))


def _drawn(layers: Sequence[Layer], rng: Random, times: int) -> Iterator[tuple[Heads, ...]]:
    for _ in range(times):
        yield tuple(pick_different(rng, layer.free, len(layer.own)) for layer in layers)


def _exchanged(
    edges: Sequence[tuple[Component, Component]], layers: Sequence[Layer], others: Sequence[Heads]
) -> tuple[Chosen, tuple[Edge, ...]]:
    swapped = {
        (layer.number, own): other
        for layer, heads in zip(layers, others, strict=True)
        for own, other in zip(layer.own, heads, strict=True)
    }

    def other_for(place: Component) -> Component:
        if place.kind != "head" or place.layer is None or place.head is None:
            return place
        return replace(place, head=swapped[place.layer, place.head])

    circuit = in_order((other_for(sender), other_for(receiver)) for sender, receiver in edges)
    names = tuple(f"{layer}.{other} for {layer}.{own}" for (layer, own), other in swapped.items())
    return names, circuit
