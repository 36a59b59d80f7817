"""What each component adds to the logits, by itself and directly: the residual stream is a sum, and read linearly.

With the final norm's scale held as it is in the run, logit = sum over writes c of (W_U · part(c)) + a constant. A
post-norm between a component and the residual stream is held likewise. Before scales and soft caps of the logits.
Source: Elhage et al. 2021 (transformer-circuits.pub/2021/framework), direct paths; Wang et al. 2022 (2211.00593).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import assert_never, cast

import torch
from torch import Tensor

from workers.engine.answers import AnswerTable
from workers.engine.architectures import Adding
from workers.engine.documents.components import Component
from workers.engine.edit import place, read
from workers.engine.frozen_norms import FrozenNorm, frozen
from workers.engine.prompts import Refused
from workers.engine.setting import Setting

AGREE = 1e-3  # of the largest entry of the final residual stream


def contribution(setting: Setting, component: Component, metric: str) -> Tensor:
    """(batch,): what a component adds to a metric (logit or logit_diff) where answers are read, directly."""
    by_read = _by_read(setting, component, metric)  # (batch, n_reads)
    if component.position is None:
        return setting.answers.mean(by_read)
    here = reads_at(setting, component)
    return (by_read * here).sum(-1) / here.sum(-1)


def reads_at(setting: Setting, component: Component) -> Tensor:
    """(batch, n_reads) bool: the answers that are read at the component's position; raises Refused where none is."""
    at, answers = setting.at(component), setting.answers
    assert at is not None
    here = (answers.reads == at[:, None]) & answers.real
    for prompt, any_here in zip(setting.prompts, here.any(-1).tolist(), strict=True):
        if not any_here:
            raise Refused(f"{prompt.text!r}: no answer is read at {component.position}; leave the position out")
    return here


def _by_read(setting: Setting, component: Component, metric: str) -> Tensor:
    final, weights = _final_norm(setting), _weights(setting, metric)
    if component.kind == "logits":
        return (final.bias * weights).sum(-1) + _unembedding_bias(setting, metric)
    written = _written(setting, component).double()  # (batch, n_reads, d_model)
    return (written * final.back(weights)).sum(-1)


def _final_norm(setting: Setting) -> FrozenNorm:
    """Held at the residual stream where answers are read."""

    def make() -> FrozenNorm:
        _require_sum(setting)
        return frozen(setting.loaded.final_norm(), _at_reads(setting, setting.clean.resid[-1]))

    norm: FrozenNorm = setting.once("final norm, frozen", make)
    return norm


def _weights(setting: Setting, metric: str) -> Tensor:
    """(batch, n_reads, d_model), double: the unembedding rows that a metric sums, weighed as it weighs them."""
    W_U, _ = setting.loaded.architecture.unembedding(setting.loaded.model)
    weights: Tensor = setting.once(("rows", metric), lambda: _summed(setting.answers, W_U.double(), metric))
    return weights


def _unembedding_bias(setting: Setting, metric: str) -> Tensor:
    """(batch, n_reads), double."""
    _, b_U = setting.loaded.architecture.unembedding(setting.loaded.model)
    if b_U is None:
        return torch.zeros(setting.answers.reads.shape, device=setting.loaded.device, dtype=torch.float64)
    return _summed(setting.answers, b_U.double()[:, None], metric)[..., 0]


def _summed(answers: AnswerTable, rows: Tensor, metric: str) -> Tensor:
    """rows (vocabulary, d) -> (batch, n_reads, d): the right tokens' mean, less the wrong ones' for logit_diff."""
    right = _mean(rows[answers.right], answers.right_real)
    match metric:
        case "logit":
            return right
        case "logit_diff":
            return right - _mean(rows[answers.wrong], answers.wrong_real)
        case _:
            raise ValueError(f"{metric} is not linear in the logits")


def _mean(rows: Tensor, real: Tensor) -> Tensor:
    """(batch, n_reads, n, d) over the real ones of n."""
    return (rows * real[..., None]).sum(-2) / real.sum(-1, keepdim=True)


def _written(setting: Setting, component: Component) -> Tensor:
    """(batch, n_reads, d_model): what a component adds to the residual stream where answers are read."""
    run, loaded = setting.clean, setting.loaded
    where = place(loaded, component)
    match where.site:
        case "resid":
            return _at_reads(setting, run.resid[where.layer])
        case "attn" | "mlp":
            return _added(setting, where.layer, where.site)(_at_reads(setting, read(run, component, None)))
        case "z":
            alone = _at_reads(setting, run.z[where.layer][:, :, where.unit]) @ loaded.W_O(where.layer)[where.unit]
            return _through(setting, where.layer, "attn").part(alone.double())
        case "neuron":
            alone = _at_reads(setting, read(run, component, None)) * _output_row(setting, where.layer, where.unit)
            return _through(setting, where.layer, "mlp").part(alone.double())
        case "q" | "k" | "v" | "pattern":
            raise ValueError(f"{component.name} writes nothing to the residual stream")
        case _:
            assert_never(where.site)


def _output_row(setting: Setting, layer: int, neuron: int) -> Tensor:
    """(d_model,): what a neuron of activation 1 gives; Linear stores (out, in), Conv1D (in, out)."""
    down = setting.loaded.down_projection(layer)
    assert down is not None, "place() refuses neurons where there is no MLP"
    weight = cast(Tensor, down.weight)
    return weight[:, neuron] if isinstance(down, torch.nn.Linear) else weight[neuron]


def _through(setting: Setting, layer: int, part: Adding) -> FrozenNorm:
    """From what an attention or MLP gives to what its layer adds to the residual stream."""

    def make() -> FrozenNorm:
        run = setting.clean
        given = run.attn_out[layer] if part == "attn" else run.mlp_out[layer]
        assert given is not None
        return frozen(_added(setting, layer, part), _at_reads(setting, given))

    norm: FrozenNorm = setting.once(("added", layer, part), make)
    return norm


def _added(setting: Setting, layer: int, part: Adding) -> Callable[[Tensor], Tensor]:
    return partial(_what_is_added, setting, layer, part)


def _what_is_added(setting: Setting, layer: int, part: Adding, given: Tensor) -> Tensor:
    added = setting.loaded.architecture.added(setting.loaded.layer(layer), part, given)
    if added is None:
        family = setting.loaded.family
        raise Refused(f"a norm follows every sum of this {family}'s residual stream: nothing is written directly")
    return added


def _require_sum(setting: Setting) -> None:
    """What is embedded and written must add up to the final residual stream; raises Refused where it does not."""
    run, total = setting.clean, setting.clean.resid[0]
    for layer in range(setting.loaded.layers):
        total = total + _what_is_added(setting, layer, "attn", run.attn_out[layer])
        if (given := run.mlp_out[layer]) is not None:
            total = total + _what_is_added(setting, layer, "mlp", given)
    if float((total - run.resid[-1]).abs().max()) > AGREE * float(run.resid[-1].abs().max()):
        raise Refused(f"what this {setting.loaded.family} writes does not add up to its residual stream")


def _at_reads(setting: Setting, values: Tensor) -> Tensor:
    """(batch, pos, d) -> (batch, n_reads, d)."""
    reads = setting.answers.reads
    return values[torch.arange(len(reads), device=reads.device)[:, None], reads]
