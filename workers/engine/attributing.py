"""First-order estimates of patching: what a component computes in another run, less what it computes in this one,
times the gradient of the metric there, position by position. One run forward and one back give them all.

Source: Nanda 2023, "Attribution Patching"; Syed et al. 2023 (arXiv 2310.10348), equation 1; Kramár et al. 2024
(arXiv 2403.00745) for where it goes wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from workers.engine.anatomy import Loaded
from workers.engine.answers import AnswerTable
from workers.engine.attending import PROJECTED
from workers.engine.documents.components import Component
from workers.engine.documents.spec import Spec
from workers.engine.edit import Edit, Site, place
from workers.engine.gradients import LayerGradients, answers_of, backward, metric_gradient
from workers.engine.metrics import METRICS
from workers.engine.oracle import attach
from workers.engine.record import Record, record
from workers.engine.setting import Effect, Effects, Setting
from workers.engine.taping import Base, base_of, by_prompt, in_heads, portions, run_layer, taped

KEPT: tuple[Site, ...] = ("resid", "z", "attn", "mlp")  # a record holds their values
Sites = frozenset[Site]
Located = tuple[int, Site]


@dataclass(frozen=True, eq=False)
class Attributions:
    """found: (layer, site) -> (batch, n, units), the estimate for each unit at positions start, start + 1, …

    units: heads, neurons, or 1. Before `start` both runs are alike, and every estimate is 0. metric: (batch,), that of
    the run which is patched.
    """

    loaded: Loaded
    found: Mapping[Located, Tensor]
    start: int
    metric: Tensor

    def of(self, component: Component, at: Tensor | None) -> Tensor:
        """(batch,): the estimated change of the metric if the component is patched at token indices `at` (batch,), or
        everywhere.
        """
        where = place(self.loaded, component)
        found = self.found[where.layer, where.site][..., where.unit]  # (batch, n)
        if at is None:
            return found.sum(-1)
        column = at.to(found.device) - self.start
        inside = (column >= 0) & (column < found.shape[1])
        picked = found.gather(1, column.clamp(0, found.shape[1] - 1)[:, None])[:, 0]
        return torch.where(inside, picked, torch.zeros_like(picked))


def estimated(
    setting: Setting, specs: Sequence[Spec], slopes: Callable[[Setting, Sequence[Any]], Sequence[Tensor]]
) -> Effects:
    """The base run's metric, and what is estimated to come on top under each spec. They differ only in components."""
    first = specs[0]
    assert all(spec.editing(()) == first.editing(()) for spec in specs)
    before = setting.untouched(setting.base(first)).arm[first.metric]
    found = slopes(setting, specs)
    return tuple(Effect({first.metric: before + slope.double().cpu()}) for slope in found)


def attribute(
    loaded: Loaded, source: Tensor, base: Tensor, answers: AnswerTable, metric: str, sites: Iterable[Site] = ("z",)
) -> Attributions:
    """Of patching values of `source` into the run on `base`, tokens (batch, pos), everywhere in the model at once.

    The source is run whole, the other from the first token on in which they differ.
    """
    run = record(loaded, source)
    context = run if loaded.causal else record(loaded, base)
    return attributions(run, base_of(context, base, source, answers.reads), answers, metric, frozenset(sites))


def attributions(source: Record, base: Base, answers: AnswerTable, metric: str, sites: Sites) -> Attributions:
    """source: the run whose values are patched into `base`, both on the same prompts, in order."""
    parts = [_part(source, base, answers, metric, sites, some) for some in portions(base)]
    found = {where: torch.cat([part.found[where] for part in parts]) for where in parts[0].found}
    return Attributions(base.loaded, found, base.start, torch.cat([part.metric for part in parts]))


def _part(source: Record, base: Base, answers: AnswerTable, metric: str, sites: Sites, some: slice) -> Attributions:
    prompts = torch.arange(len(base.entering), device=answers.reads.device)[some]
    source, base, answers = source.prompts(some), base.prompts(some), answers_of(answers, prompts)
    tape = taped(base, base.cut(base.entering))
    value, final = metric_gradient(tape, answers, metric)
    found: dict[Located, Tensor] = {}
    last = base.loaded.layers
    if "resid" in sites:
        found[last, "resid"] = _times(base.cut(source.resid[last]) - tape.final.detach(), final)[..., None]
    for gradients in backward(tape, final):
        layer = gradients.run.number
        for site, (change, slope) in _of_layer(source, base, gradients, sites):
            found[layer, site] = _times(change, slope)
    return Attributions(base.loaded, found, base.start, value)


def _times(change: Tensor, slope: Tensor) -> Tensor:
    """Summed over the entries of a component: (…, d) -> (…)."""
    return (change * slope).sum(-1)


@torch.no_grad()
def _of_layer(
    source: Record, base: Base, gradients: LayerGradients, sites: Sites
) -> Iterator[tuple[Site, tuple[Tensor, Tensor]]]:
    """Per site the difference of the two runs and the gradient, each (batch, n, units, d)."""
    run, loaded, layer = gradients.run, base.loaded, gradients.run.number
    heads = (loaded.heads, loaded.d_head)
    if "z" in sites:
        change = base.cut(source.z[layer]) - torch.unflatten(run.z, -1, heads)
        yield "z", (change, torch.unflatten(gradients.z, -1, heads))
    if "resid" in sites:
        yield "resid", _one(base.cut(source.resid[layer]) - run.entering, gradients.entering)
    if "attn" in sites:
        yield "attn", _one(base.cut(source.attn_out[layer]) - run.attn_out, gradients.attn_out)
    if "mlp" in sites and (theirs := source.mlp_out[layer]) is not None and run.mlp_out is not None:
        assert gradients.mlp_out is not None
        own, slope = (by_prompt(found, run.entering) for found in (run.mlp_out, gradients.mlp_out))
        yield "mlp", _one(base.cut(theirs) - own, slope)
    if sites <= frozenset(KEPT):
        return
    other = run_layer(_of_source(source, base), layer, base.cut(source.resid[layer]))
    if "neuron" in sites and other.neurons is not None:
        assert run.neurons is not None and gradients.neurons is not None
        change, slope = (by_prompt(found, run.entering) for found in (other.neurons - run.neurons, gradients.neurons))
        yield "neuron", (change[..., None], slope[..., None])
    for part in PROJECTED:
        if part in sites:
            theirs, own = (in_heads(loaded, layer, part, one.projected) for one in (other, run))
            yield part, (theirs - own, gradients.of_heads(loaded, part))


def _one(change: Tensor, slope: Tensor) -> tuple[Tensor, Tensor]:
    """As a site of one unit."""
    return change[:, :, None], slope[:, :, None]


def _of_source(source: Record, base: Base) -> Base:
    return Base(source, source.resid[0], base.reads, base.start, base.end)


def slope_along(loaded: Loaded, tokens: Tensor, changes: Sequence[Edit], answers: AnswerTable, metric: str) -> Tensor:
    """The slow truth, (batch,): how fast the metric of the run on `tokens` grows, at first, as `changes` are added.

    One whole forward pass of the model with plain hooks, each prompt with a share of its own that the changes are made
    to; it has no code in common with the above.
    """
    share = torch.zeros(len(tokens), device=loaded.device, requires_grad=True)
    with torch.enable_grad(), ExitStack() as hooks:
        attach(loaded, [_share_of(share, change) for change in changes], hooks)
        whole = loaded.model(input_ids=tokens, use_cache=False).logits
        rows = torch.arange(len(tokens), device=loaded.device)[:, None]
        found = METRICS[metric].value(whole[rows, answers.reads], answers)
        (slope,) = torch.autograd.grad(found.sum(), share)
    return slope


def _share_of(share: Tensor, change: Edit) -> Edit:
    of_prompts = share.view(-1, *[1] * (change.value.ndim - 1))
    return replace(change, value=of_prompts * change.value, keeps="all")
