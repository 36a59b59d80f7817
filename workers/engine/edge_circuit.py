"""A circuit of edges alone: each receiver reads what the senders it is joined to write, and all others ablated.

Live is what a sender makes of what it reads in this very run. Sources: Conmy et al. 2023 (arXiv 2304.14997), section 3;
Hanna et al. 2024 (arXiv 2403.17806), section 2.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import torch

from workers.engine.ablating import how_of, replacement, require_means
from workers.engine.anatomy import Loaded
from workers.engine.documents.circuit_edges import Edge
from workers.engine.documents.circuit_spec import CircuitSpec
from workers.engine.documents.components import Component, component
from workers.engine.documents.reach import can_reach
from workers.engine.edge_circuit_oracle import EdgeCircuitOracle
from workers.engine.edge_gradients import LOGITS, Nodes, nodes_of
from workers.engine.edge_stream import Senders, Values, final_of, require_additive
from workers.engine.edit import Edit, place, read
from workers.engine.setting import Effect, Effects, Setting, changed_by


def edges_alone(setting: Setting, circuits: Sequence[Sequence[Edge]], spec: CircuitSpec) -> Effects:
    """Each circuit's edges kept and all others cut, as the spec has what they carry ablated."""
    ablated = setting.once(("edges", spec.model_copy(update={"components": ()}).sha256), lambda: _values(setting, spec))
    return tuple(_alone(setting, edges, ablated) for edges in circuits)


def _values(setting: Setting, spec: CircuitSpec) -> Values:
    """What stands for each sender where it is not heard; in a null run what is there anyway."""
    require_additive(setting.loaded)
    senders, how = nodes_of(setting.loaded).senders, how_of(spec)
    if setting.how == "null":
        return {sender: read(setting.clean, sender, None) for sender in senders}
    require_means(setting, [(sender, None) for sender in senders], how)
    return {sender: replacement(setting, sender, how) for sender in senders}


@torch.no_grad()
def _alone(setting: Setting, edges: Sequence[Edge], ablated: Values) -> Effect:
    heard = heard_by(setting.loaded, edges)
    if setting.how == "oracle":
        final = EdgeCircuitOracle(setting.loaded, setting.clean.tokens, ablated, frozenset(edges)).final()
        return setting.effects(setting.clean, [[Edit(Component("resid", setting.loaded.layers), None, final)]])[0]
    final = final_of(setting.clean, heard, ablated)
    reads = setting.answers.reads[:, :, None].expand(-1, -1, final.shape[-1])
    return setting.ending(final.gather(1, reads), _largest_change(setting, edges, ablated))


def heard_by(loaded: Loaded, edges: Iterable[Edge]) -> dict[Component, Senders]:
    """By receiver the senders it is joined to; raises CannotEdit for components that this model does not have."""
    found: dict[Component, set[Component]] = {}
    for sender, receiver in edges:
        one, other = component(sender), component(receiver)
        for end in (one, other):
            if end != LOGITS:
                place(loaded, end)
        found.setdefault(other, set()).add(one)
    return {receiver: frozenset(senders) for receiver, senders in found.items()}


def _largest_change(setting: Setting, edges: Iterable[Edge], ablated: Values) -> float:
    """Of a sender's value, over those of whose edges one is cut; 0 if none is."""
    nodes: Nodes = nodes_of(setting.loaded)
    kept = Counter(component(sender) for sender, _ in edges)
    cut = [sender for sender in nodes.senders if kept[sender] < _receivers(setting, nodes, sender)]
    return max((changed_by(ablated[sender], read(setting.clean, sender, None)) for sender in cut), default=0.0)


def _receivers(setting: Setting, nodes: Nodes, sender: Component) -> int:
    count: int = setting.once(("receivers", sender), lambda: sum(can_reach(sender, one) for one in nodes.receivers))
    return count
