"""The edges of a circuit, as a spec states them: [sender, receiver], each one component at all positions.

Senders are the embedding, heads and MLPs; receivers are the heads' q, k and v, MLPs, and the logits (Hanna et al. 2024,
arXiv 2403.17806). A whole head as receiver stands for its q, k and v, and is written out as these three.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Annotated

from pydantic import AfterValidator, Field

from workers.engine.documents.components import Component, NotAComponent, Part, component
from workers.engine.documents.reach import can_reach

Edge = tuple[str, str]
PROJECTIONS: tuple[Part, ...] = ("q", "k", "v")
MOST_EDGES = 20_000


def _written(edges: tuple[Edge, ...]) -> tuple[Edge, ...]:
    """With whole heads as receivers written out."""
    return in_order(edge for sender, receiver in edges for edge in _edges(_node(sender), _node(receiver)))


def in_order(edges: Iterable[tuple[Component, Component]]) -> tuple[Edge, ...]:
    """As a spec's canonical text has them: sorted, each once."""
    found = sorted(set(edges), key=lambda edge: (edge[0].sort_key, edge[1].sort_key))
    return tuple((str(sender), str(receiver)) for sender, receiver in found)


Edges = Annotated[tuple[Edge, ...], Field(max_length=MOST_EDGES), AfterValidator(_written)]


def _node(text: str) -> Component:
    if text.startswith("#"):
        raise ValueError(f"{text}: an edge leads from one component to one; write an edge for each member of the group")
    try:
        found = component(text)
    except NotAComponent as error:
        raise ValueError(str(error)) from error
    if found.is_wildcard:
        raise ValueError(f"{text}: an edge leads from one component to one; write its layer and head, as in 9.9")
    if found.position is not None:
        raise ValueError(f"{text}: edges are kept or cut at every position; write {found.name}")
    return found


def _edges(sender: Component, receiver: Component) -> Iterator[tuple[Component, Component]]:
    if sender.kind not in ("embed", "head", "mlp") or sender.part is not None:
        raise ValueError(f"{sender} is no sender of an edge; write embed, a whole head as 9.9, or mlp.3")
    if receiver.kind not in ("head", "mlp", "logits") or receiver.part == "pattern":
        raise ValueError(
            f"{receiver} is no receiver of an edge; write 9.9.q, .k or .v, 9.9 for all three, mlp.3 or logits"
        )
    if not can_reach(sender, receiver):
        raise ValueError(f"there is no edge from {sender} to {receiver}: it has not written when {receiver} reads")
    if receiver.kind == "head" and receiver.part is None:
        yield from ((sender, replace(receiver, part=part)) for part in PROJECTIONS)
    else:
        yield sender, receiver
