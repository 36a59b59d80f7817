"""What the edges of the model's graph are scored by: what its senders write, and gradients as each receiver reads.

Conventions of Hanna et al. 2024 (arXiv 2403.17806): senders are the embedding, heads and MLPs; receivers are the heads'
q, k and v, MLPs, and the logits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from workers.engine.anatomy import Loaded
from workers.engine.answers import AnswerTable
from workers.engine.architectures import Projected
from workers.engine.attending import PROJECTED
from workers.engine.documents.components import Component
from workers.engine.edit import CannotEdit
from workers.engine.gradients import LayerGradients, answers_of, backward, gradients_of, metric_gradient
from workers.engine.record import Record
from workers.engine.taping import Base, LayerRun, Tape, by_prompt, portions, taped

LOGITS = Component("logits")
Wanted = Callable[[Component], bool]


@dataclass(frozen=True)
class Nodes:
    """The graph's senders in the order in which they write, and its receivers in the order in which they read."""

    layers: int
    heads: int
    mlps: bool

    @property
    def senders(self) -> tuple[Component, ...]:
        found = [Component("embed")]
        for layer in range(self.layers):
            found += [Component("head", layer, head) for head in range(self.heads)]
            found += [Component("mlp", layer)] * self.mlps
        return tuple(found)

    @property
    def receivers(self) -> tuple[Component, ...]:
        found: list[Component] = []
        for layer in range(self.layers):
            found += [Component("head", layer, head, part) for part in PROJECTED for head in range(self.heads)]
            found += [Component("mlp", layer)] * self.mlps
        return (*found, LOGITS)

    def before(self, layer: int) -> int:
        """How many have written when a layer's attention reads."""
        return 1 + layer * (self.heads + self.mlps)


def nodes_of(loaded: Loaded) -> Nodes:
    return Nodes(loaded.layers, loaded.heads, loaded.mlp(0) is not None)


@dataclass(frozen=True, eq=False)
class Read:
    """gradients: (receiver, batch, n, d_model) with respect to the residual as each of them reads it.

    senders: how many had written by then.
    """

    receivers: tuple[Component, ...]
    gradients: Tensor
    senders: int


@dataclass(frozen=True, eq=False)
class Portion:
    """Some prompts' differentiated run. writes: (senders, batch, n, d_model), source less base. final: (rows, n, d)."""

    prompts: slice
    writes: Tensor
    tape: Tape
    final: Tensor
    steps: int

    def reads(self, wanted: Wanted) -> Iterator[Read]:
        """The last receivers first."""
        loaded = self.tape.base.loaded
        nodes = nodes_of(loaded)
        if wanted(LOGITS):
            yield Read((LOGITS,), self._mean(self.final)[None], len(nodes.senders))
        for found in backward(self.tape, self.final):
            layer = found.run.number
            before = nodes.before(layer)
            if (mlp := _into_mlp(found)) is not None and wanted(Component("mlp", layer)):
                heard = before + loaded.heads * _mlp_hears_heads(found.run)
                yield Read((Component("mlp", layer),), self._mean(mlp)[None], heard)
            into = list(_into_heads(loaded, found, wanted))
            if into:
                receivers, gradients = zip(*into, strict=True)
                yield Read(receivers, torch.stack([self._mean(one) for one in gradients]), before)

    def _mean(self, of_rows: Tensor) -> Tensor:
        """(rows, n, d) -> (batch, n, d): over the steps."""
        return torch.unflatten(of_rows, 0, (self.steps, -1)).mean(0)


def differentiated(
    source: Record, base: Base, answers: AnswerTable, metric: str, shares: Sequence[float]
) -> Iterator[Portion]:
    """A run with a row for each share of each prompt, in portions of prompts."""
    prompts = torch.arange(len(base.entering), device=base.entering.device)
    for some in portions(base, len(shares)):
        theirs, own = source.prompts(some), base.prompts(some)
        start, end = own.cut(own.entering), own.cut(theirs.resid[0])
        rows = torch.cat([torch.lerp(start, end, share) for share in shares])
        tape = taped(own, rows)
        of_rows = answers_of(answers, prompts[some].repeat(len(shares)))
        _, final = metric_gradient(tape, of_rows, metric)
        at_base = tape if shares[0] == 0 else taped(own, start)
        yield Portion(some, _writes(theirs, own, at_base), tape, final, len(shares))


def _writes(source: Record, base: Base, at_base: Tape) -> Tensor:
    """(senders, batch, n, d_model): source less base, of what each sender writes.

    Whatever stands between a module and the stream passes it on to first order. The tape's first rows are of the base.
    """
    loaded, batch = base.loaded, len(base.entering)
    first = at_base.layers[0].entering[:batch].detach()
    found = [(base.cut(source.resid[0]) - first)[None]]
    for run in at_base.layers:
        own = torch.unflatten(run.z[:batch].detach(), -1, (loaded.heads, loaded.d_head))
        change = base.cut(source.z[run.number]) - own  # (batch, n, heads, d_head)
        heads = torch.einsum("bnhd,hdm->hbnm", change, loaded.W_O(run.number))
        found.append(_passed_on(run, run.attn_out, heads))
        if (theirs := source.mlp_out[run.number]) is not None and run.mlp_out is not None:
            mine = by_prompt(run.mlp_out, run.entering)[:batch].detach()
            found.append(_passed_on(run, run.mlp_out, (base.cut(theirs) - mine)[None]))
    return torch.cat(found)


def _passed_on(run: LayerRun, written: Tensor, changes: Tensor) -> Tensor:
    """What changes (k, batch, n, d) of a module's output are in the stream: the same, but for norms and multipliers."""
    probe = run.leaving.detach()
    if torch.equal(gradients_of([run.leaving], [written], [probe])[0], probe):
        return changes
    above = torch.zeros_like(probe, requires_grad=True)
    (below,) = torch.autograd.grad(run.leaving, written, above, create_graph=True)  # linear in `above`
    rest = probe.new_zeros(len(probe) - changes.shape[1], *probe.shape[1:])
    found = [gradients_of([below], [above], [torch.cat([change, rest]).view_as(below)])[0] for change in changes]
    return torch.stack(found)[:, : changes.shape[1]]


def _into_mlp(found: LayerGradients) -> Tensor | None:
    """(rows, n, d_model): the gradient with respect to the residual as the MLP reads it."""
    run = found.run
    (stream,) = gradients_of([run.leaving], [run.entering], [found.leaving])
    if not torch.equal(stream, found.leaving):
        raise CannotEdit(
            f"layer {run.number} does not hand the residual stream on as it is (a norm lies on it): what is written to "
            "it does not reach later readers as written, so there are no edges to score; take path_patching"
        )
    if run.mlp is None or found.into_mlp is None:
        return None
    return gradients_of([run.mlp.given], [run.entering], [found.into_mlp])[0]


def _mlp_hears_heads(run: LayerRun) -> bool:
    """False where attention and MLP run side by side."""
    assert run.mlp is not None
    given = run.mlp.given
    (found,) = torch.autograd.grad(given.sum(), [run.attn_out], retain_graph=True, allow_unused=True)
    return found is not None


def _into_heads(loaded: Loaded, found: LayerGradients, wanted: Wanted) -> Iterator[tuple[Component, Tensor]]:
    """Each wanted head's q, k and v, with the gradient of the residual as it reads it: (rows, n, d_model)."""
    run, attention = found.run, found.run.attention
    for part in PROJECTED:
        heads = [head for head in range(loaded.heads) if wanted(Component("head", run.number, head, part))]
        gradients = found.of_heads(loaded, part) if heads else None
        for head in heads:
            assert gradients is not None
            into = _into_attention(loaded, run, (part, head), gradients[:, :, head])
            (read,) = gradients_of([attention.given], [run.entering], [into])
            yield Component("head", run.number, head, part), read


def _into_attention(loaded: Loaded, run: LayerRun, place: tuple[Projected, int], gradient: Tensor) -> Tensor:
    """From a head's q, k or v (rows, n, d_head) back to what the norm gave (rows, n, d_model)."""
    module, block = loaded.architecture.projection(loaded.attention(run.number), *place)
    mine = slice(block * loaded.d_head, (block + 1) * loaded.d_head)
    if type(module) is Conv1D:  # stores (in, out)
        return gradient @ module.weight[:, mine].T
    if type(module) is nn.Linear:  # stores (out, in)
        return gradient @ module.weight[mine]
    projected = run.projected[module]
    above = torch.zeros_like(projected)
    above[..., mine] = gradient
    return gradients_of([projected], [run.attention.taken], [above])[0]
