"""Which component can say something to which other: the order in which a run writes and reads the residual stream.

Within a layer: the residual entering it, what its heads read, what they write, what its MLP reads, what it writes.
Where attention and MLP run side by side, a head has no way to the MLP of its own layer: measured, that is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import assert_never

from workers.engine.documents.components import Component
from workers.engine.documents.model import Dimensions

Moment = tuple[float, int]


def can_reach(sender: Component, receiver: Component) -> bool:
    """Whether what the sender writes is there when the receiver reads; layers must be stated, positions are ignored."""
    return written_at(sender) < read_at(receiver)


def read_at(place: Component) -> Moment:
    match place.kind:
        case "embed":
            return (0, 0)
        case "resid":
            return (_layer(place), 0)
        case "head" | "attn" | "entry":
            return (_layer(place), 1)
        case "mlp" | "neuron":
            return (_layer(place), 3)
        case "logits":
            return (inf, 0)
        case _:
            assert_never(place.kind)


def written_at(place: Component) -> Moment:
    """The stream itself stands where it is read; heads and MLPs write once they have read."""
    layer, moment = read_at(place)
    return layer, moment + 1 if moment else 0


def out_of_reach(receivers: Sequence[Component], dimensions: Dimensions) -> tuple[str, ...]:
    """Heads, MLPs, attentions and residuals that can say nothing to any of the receivers."""
    layers = range(dimensions.layers)
    every = [Component("head", layer, head) for layer in layers for head in range(dimensions.heads)]
    every += [Component("mlp", layer) for layer in layers] + [Component("attn", layer) for layer in layers]
    every += [Component("resid", layer) for layer in range(dimensions.layers + 1)]
    return tuple(str(one) for one in every if not any(can_reach(one, receiver) for receiver in receivers))


def _layer(place: Component) -> int:
    assert place.layer is not None, f"{place} means several layers"
    return place.layer
