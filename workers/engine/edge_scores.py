"""Edge attribution patching: every edge of the model's graph scored from one run forward and one back.

An edge leads from what a sender writes to the residual stream to what one receiver reads there. Its score is the
difference of the sender's write between two runs, times the gradient of the metric with respect to the residual as that
receiver alone reads it, norm included, summed over positions. Senders are the embedding, heads and MLPs; receivers are
the heads' q, k and v, MLPs, and the logits. With integrated gradients the gradient is the mean over runs whose
embedding lies at `shares` of the way from base to source.

Sources: Syed et al. 2023 (arXiv 2310.10348), EAP; Hanna et al. 2024 (arXiv 2403.17806), EAP-IG over inputs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from workers.engine.anatomy import Loaded
from workers.engine.answers import AnswerTable
from workers.engine.documents.components import Component
from workers.engine.edge_gradients import differentiated, nodes_of
from workers.engine.record import Record, record
from workers.engine.taping import Base, base_of

AT_BASE = (0.0,)
"""Where EAP takes the gradient: in the base run itself."""


@dataclass(frozen=True, eq=False)
class EdgeScores:
    """scores: (senders, receivers), the mean over prompts. Where `edges` is False there is no edge, and a 0."""

    senders: tuple[Component, ...]
    receivers: tuple[Component, ...]
    scores: Tensor
    edges: Tensor


def edge_scores(
    loaded: Loaded, source: Tensor, base: Tensor, answers: AnswerTable, metric: str, shares: Sequence[float] = AT_BASE
) -> EdgeScores:
    """Of the run on `base`, tokens (batch, pos), patched with `source`; in EAP as published base is the clean one."""
    nodes = nodes_of(loaded)
    column = {receiver: number for number, receiver in enumerate(nodes.receivers)}
    scores = torch.zeros(len(nodes.senders), len(column), device=loaded.device)
    edges = torch.zeros(scores.shape, dtype=torch.bool)
    for portion in differentiated(*_pair(loaded, source, base, answers), answers, metric, shares):
        for read in portion.reads(lambda _: True):
            columns = [column[receiver] for receiver in read.receivers]
            found = portion.writes[: read.senders].flatten(1) @ read.gradients.flatten(1).T  # (senders, receivers)
            scores[: read.senders, columns] += found
            edges[: read.senders, columns] = True
    return EdgeScores(nodes.senders, nodes.receivers, scores / len(base), edges)


def _pair(loaded: Loaded, source: Tensor, base: Tensor, answers: AnswerTable) -> tuple[Record, Base]:
    run = record(loaded, source)
    context = run if loaded.causal else record(loaded, base)
    return run, base_of(context, base, source, answers.reads)


@dataclass(frozen=True, eq=False)
class EdgeEstimates:
    """found: (senders, batch, n), each sender's estimate by way of the receivers, at positions start, start + 1, …"""

    senders: tuple[Component, ...]
    found: Tensor
    start: int

    def of(self, sender: Component, at: Tensor | None) -> Tensor:
        """(batch,): at token indices `at` (batch,), or everywhere. An attention is all of its heads."""
        found = sum((self.found[row] for row in self._rows(sender)), torch.zeros_like(self.found[0]))
        if at is None:
            return found.sum(-1)
        return (found * _at(at, self.start, found.shape[1])).sum(-1)

    def _rows(self, sender: Component) -> list[int]:
        if sender.kind == "attn":
            return [row for row, one in enumerate(self.senders) if one.kind == "head" and one.layer == sender.layer]
        return [self.senders.index(sender.without_position())]


def edge_estimates(
    source: Record,
    base: Base,
    answers: AnswerTable,
    metric: str,
    shares: Sequence[float],
    receivers: Iterable[tuple[Component, Tensor | None]],
) -> EdgeEstimates:
    """Of every sender, by way of the receivers together, each at its token indices (batch,) or everywhere.

    source: the run whose values are patched into `base`, both on the same prompts, in order.
    """
    wanted = [(receiver.without_position(), at) for receiver, at in receivers]
    names = {receiver for receiver, _ in wanted}
    parts: list[Tensor] = []
    for portion in differentiated(source, base, answers, metric, shares):
        found = torch.zeros(portion.writes.shape[:3], device=portion.writes.device)  # (senders, batch, n)
        for read in portion.reads(names.__contains__):
            for receiver, gradient in zip(read.receivers, read.gradients, strict=True):
                slopes = torch.einsum("sbnd,bnd->sbn", portion.writes[: read.senders], gradient)
                for at in [at for one, at in wanted if one == receiver]:
                    here = 1 if at is None else _at(at[portion.prompts], base.start, slopes.shape[-1])
                    found[: read.senders] += slopes * here
        parts.append(found)
    return EdgeEstimates(nodes_of(base.loaded).senders, torch.cat(parts, dim=1), base.start)


def _at(at: Tensor, start: int, count: int) -> Tensor:
    """(batch, n): 1 where position start + column is the prompt's, else 0."""
    return (torch.arange(start, start + count, device=at.device) == at[:, None]).float()
