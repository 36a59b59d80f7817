"""Gradients of a metric with respect to what a model computes: a taped run walked back, the last layer first.

Only the answers' logits are computed. Source of first-order patching: Nanda 2023, "Attribution Patching: Activation
Patching At Industrial Scale"; Syed et al. 2023 (arXiv 2310.10348).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor, nn

from workers.engine.anatomy import Loaded
from workers.engine.answers import AnswerTable
from workers.engine.architectures import Projected
from workers.engine.metrics import METRICS
from workers.engine.replay import logits
from workers.engine.taping import LayerRun, Tape, in_heads


@dataclass(frozen=True, eq=False)
class LayerGradients:
    """d metric / d each tensor of a layer's run, of the same shapes. leaving: what came from the layers above."""

    run: LayerRun
    leaving: Tensor
    entering: Tensor
    into_attention: Tensor
    z: Tensor
    attn_out: Tensor
    projected: Mapping[nn.Module, Tensor]
    into_mlp: Tensor | None = None
    neurons: Tensor | None = None
    mlp_out: Tensor | None = None

    def of_heads(self, loaded: Loaded, part: Projected) -> Tensor:
        """(rows, n, heads, d_head): of q, k or v as each query head sees it.

        Query heads that share keys and values are told apart: the gradient is taken by way of the z of one head of
        each group at a time.
        """
        group = 1 if part == "q" else loaded.heads // loaded.kv_heads
        if group == 1:
            return in_heads(loaded, self.run.number, part, self.projected)
        slots = torch.arange(loaded.heads, device=self.z.device) % group
        found = torch.zeros_like(torch.unflatten(self.z, -1, (loaded.heads, -1)))
        for slot in range(group):
            ours = (slots == slot)[:, None]  # (heads, 1)
            found = torch.where(ours, self._by_way_of(ours, loaded, part), found)
        return found

    def _by_way_of(self, heads: Tensor, loaded: Loaded, part: Projected) -> Tensor:
        """By way of the z of some heads (heads, 1) bool."""
        z = (torch.unflatten(self.z, -1, (loaded.heads, -1)) * heads).flatten(-2)
        module = loaded.architecture.projection(loaded.attention(self.run.number), part, 0)[0]
        (gradients,) = gradients_of([self.run.z], [self.run.projected[module]], [z])
        return in_heads(loaded, self.run.number, part, {module: gradients})


def backward(tape: Tape, gradient: Tensor) -> Iterator[LayerGradients]:
    """From the gradient of what enters the final norm (rows, n, d_model) down, the last layer first."""
    for run in reversed(tape.layers):
        found = _through(run, gradient)
        yield found
        gradient = found.entering


def _through(run: LayerRun, gradient: Tensor) -> LayerGradients:
    outputs, above = [run.leaving], [gradient]
    of_mlp: dict[str, Tensor] = {}
    if run.mlp is not None:
        assert run.neurons is not None and run.mlp_out is not None
        found = gradients_of(outputs, [run.mlp.taken, run.neurons, run.mlp_out], above)
        of_mlp = dict(zip(("into_mlp", "neurons", "mlp_out"), found, strict=True))
        outputs, above = [*outputs, run.mlp.given], [*above, of_mlp["into_mlp"]]
    wanted = [run.entering, run.attention.taken, run.z, run.attn_out, *run.projected.values()]
    past, into, z, attn_out, *projected = gradients_of(outputs, wanted, above)
    (read,) = gradients_of([run.attention.given], [run.entering], [into])
    return LayerGradients(
        run=run,
        leaving=gradient,
        entering=past + read,
        into_attention=into,
        z=z,
        attn_out=attn_out,
        projected=dict(zip(run.projected, projected, strict=True)),
        **of_mlp,
    )


def gradients_of(outputs: Sequence[Tensor], wanted: Sequence[Tensor], above: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Zeros where an output does not depend on what is wanted. The graph is kept: it is walked again."""
    return torch.autograd.grad(outputs, wanted, above, retain_graph=True, allow_unused=True, materialize_grads=True)


def metric_gradient(tape: Tape, answers: AnswerTable, metric: str) -> tuple[Tensor, Tensor]:
    """The metric (rows,), and its gradient with respect to what enters the final norm, (rows, n, d_model).

    answers: a row's own, as many as the tape's rows.
    """
    base, loaded = tape.base, tape.base.loaded
    rows = torch.arange(len(tape.final), device=tape.final.device)[:, None]
    reads = answers.reads
    before = base.context.resid[-1].repeat(len(tape.final) // len(base.context.tokens), 1, 1)[rows, reads]
    with torch.enable_grad():
        changed = tape.final[rows, (reads - base.start).clamp(min=0)]
        resid = torch.where((reads >= base.start)[..., None], changed, before)  # (rows, n_reads, d_model)
        if METRICS[metric].rows == "all":
            found = METRICS[metric].value(logits(loaded, resid), answers)
        else:
            found = METRICS[metric].value(logits(loaded, resid, answers.rows), answers.in_rows())
        (gradient,) = gradients_of([found.sum()], [tape.final], [torch.ones_like(found.sum())])
    return found.detach(), gradient


def answers_of(answers: AnswerTable, prompts: Tensor) -> AnswerTable:
    """Those of some prompts, in that order, each as often as it is named."""
    tensors = {item.name: getattr(answers, item.name) for item in fields(answers)}
    return replace(answers, **{name: found[prompts] for name, found in tensors.items() if found is not None})
