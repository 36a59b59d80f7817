"""Which edges of a circuit are shown: an edge is covered by a claim that patched this one path, and no other with it.

A path claim covers the edge from each of its senders whose own effect was shown to its receiver, if that is its only
one: of several receivers patched together any one may have carried the effect, and so may any of a head's q, k and v
where all three were. A path by way of another component is no edge; where MLPs were recomputed, any of those between
the two may have carried it, whether the circuit names it or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Literal

from workers.engine.claim_state import Judgement
from workers.engine.documents.components import Component, component, group_of
from workers.engine.documents.finding import Circuit
from workers.engine.techniques import path_patching

Edge = tuple[str, str]
EdgeCoverage = Literal["covered", "in_covered_group_not_shown", "not_checked"]


def edge_coverage(edge: Edge, circuit: Circuit, covering: Sequence[Judgement]) -> EdgeCoverage:
    """covering: holding effect claims that are causal evidence."""
    found = [shown for one in covering for shown in _shown(edge, circuit, one)]
    if any(found):
        return "covered"
    return "in_covered_group_not_shown" if found else "not_checked"


def edge_notes(edges: Iterable[EdgeCoverage]) -> Iterator[str]:
    coverage = list(edges)
    missing = sum(one != "covered" for one in coverage)
    if missing and missing == len(coverage):
        yield "edges not checked"
    elif missing:
        yield f"{missing} of {len(coverage)} edges not shown"


def _shown(edge: Edge, circuit: Circuit, judgement: Judgement) -> Iterator[bool]:
    """For each claimed sender that is the edge's, if the claim's receivers hold the edge's: is it shown by itself."""
    spec = judgement.claim.spec
    if not isinstance(spec, path_patching.Spec) or spec.through:
        return
    sender, receiver = map(component, edge)
    ends = [end for text in spec.receivers for end in _members(text, circuit)]
    if not any(_holds(end, receiver) for end in ends):
        return
    alone = len(ends) == 1 and ends[0].covers(receiver)
    for name, own_effect in judgement.members.items():
        if component(name).covers(sender):
            yield own_effect and alone and spec.mlps == "frozen"


def _members(text: str, circuit: Circuit) -> Iterator[Component]:
    named = group_of(text)
    if named is None:
        yield component(text)
        return
    group, position = named
    for member in map(component, circuit.groups[group]):
        yield replace(member, position=position or member.position)


def _holds(end: Component, receiver: Component) -> bool:
    """Whether patching `end` patches the receiver, perhaps with others: a whole head, or heads by a wildcard."""
    if end.kind != receiver.kind or end.position not in (None, receiver.position):
        return False
    stated = [(end.layer, receiver.layer), (end.head, receiver.head), (end.part, receiver.part)]
    return all(one is None or one == other for one, other in stated)
