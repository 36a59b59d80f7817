"""A loaded model proves on its actual weights that the engine reads it rightly, or it is refused.

Compared with the model's own forward pass, in the replay's own code: every layer called again gives the residual that
followed it; so it does from recorded keys and values on, and at the read positions alone; a head's z times W_O, summed
over heads, is what the attention wrote, and its pattern times its values is that z; the neurons give what the MLP
wrote; what is said to be added to the residual stream is the difference; and a change of one head's q, k or v
changes what it must and nothing else. So no answer of a family file is taken on trust.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from workers.engine.anatomy import Loaded
from workers.engine.architectures import Projected
from workers.engine.documents.components import Component
from workers.engine.edit import Edit, read
from workers.engine.record import KeyValuePrefix, Record, attached, record
from workers.engine.replay import logits, replay

TOLERANCE = 1e-5  # of the largest number compared
HALF_TOLERANCE = {torch.bfloat16: 5e-2, torch.float16: 1e-2}  # a dozen steps of the precision (2**-8, 2**-11)
PROMPTS, LENGTH, SEED = 2, 6, 0


@dataclass(frozen=True)
class Difference:
    """How far a comparison was off, relative to the largest number compared."""

    what: str
    relative: float
    tolerance: float = TOLERANCE

    @property
    def holds(self) -> bool:
        return self.relative <= self.tolerance  # False for NaN, as it should be


@dataclass(frozen=True)
class Moved:
    """Where a change of each head's q, k or v in a row of its own changed anything."""

    keys: Tensor  # (changed head, kv_heads, pos)
    values: Tensor  # (changed head, kv_heads, pos)
    pattern: Tensor  # (changed head, heads, query)


@torch.no_grad()
def selfcheck(loaded: Loaded) -> list[Difference]:
    """Every comparison on short random prompts that suit the model's vocabulary and length."""
    base = record(loaded, sample(loaded))
    return [
        _embedding(base),
        *_layers_again(base),
        *_heads(base),
        *_written(base),
        *_projections(base),
        *_replays(base),
        _logits(base),
    ]


def sample(loaded: Loaded) -> Tensor:
    """(batch, pos) token ids, the same on every device."""
    generator = torch.Generator().manual_seed(SEED)
    shape = (PROMPTS, min(LENGTH, loaded.positions))
    return torch.randint(loaded.vocabulary, shape, generator=generator).to(loaded.device)


def _embedding(base: Record) -> Difference:
    """What enters layer 0 is the tokens' embeddings and what positions add, which is the same for both prompts."""
    embedded = base.loaded.architecture.embedding(base.loaded.model)[base.tokens]
    positions = (base.resid[0] - embedded)[:1]
    return difference("embeddings in the residual stream", embedded + positions, base.resid[0])


def _layers_again(base: Record) -> Iterator[Difference]:
    length = base.tokens.shape[1]
    for layer, call in enumerate(base.calls):
        for start in {0, length // 2} if base.loaded.causal else {0}:
            positions = torch.arange(start, length, device=base.tokens.device)[None]
            prefix = KeyValuePrefix(base.k[layer][:, :, :start], base.v[layer][:, :, :start])
            again = call.run(base.resid[layer][:, start:], positions, length, prefix)
            what = f"layer {layer} called again from position {start}"
            yield difference(what, again, base.resid[layer + 1][:, start:])


def _heads(base: Record) -> Iterator[Difference]:
    loaded = base.loaded
    for layer in range(loaded.layers):
        bias = loaded.architecture.output_bias(loaded.attention(layer))
        heads = torch.einsum("bphd,hdm->bpm", base.z[layer], loaded.W_O(layer))
        whole = heads if bias is None else heads + bias
        yield difference(f"layer {layer}: sum of heads against attention output", whole, base.attn_out[layer])
        values = base.v[layer].repeat_interleave(loaded.heads // base.v[layer].shape[1], dim=1)
        weighed = (base.pattern(layer) @ values).transpose(1, 2)  # (batch, pos, heads, d_head)
        yield difference(f"layer {layer}: patterns times values against z", weighed, base.z[layer])


def _written(base: Record) -> Iterator[Difference]:
    """Neurons against the MLP's output, and both writers against what they add to the residual stream."""
    loaded, added = base.loaded, base.loaded.architecture.added
    for layer in range(loaded.layers):
        adds = [added(loaded.layer(layer), "attn", base.attn_out[layer])]
        mlp_out, down = base.mlp_out[layer], loaded.down_projection(layer)
        if mlp_out is not None and down is not None:
            yield difference(f"layer {layer}: neurons against MLP output", down(base.neurons(layer)), mlp_out)
            adds.append(added(loaded.layer(layer), "mlp", mlp_out))
        following = base.resid[layer]
        for addend in adds:
            if addend is None:  # a norm follows the sum: nothing to compare
                break
            following = following + addend
        else:
            yield difference(f"layer {layer}: what is added to the residual stream", following, base.resid[layer + 1])


def _projections(base: Record) -> Iterator[Difference]:
    """In layer 0, whose answers are those of all layers."""
    loaded, at = base.loaded, base.tokens.shape[1] // 2
    heads = torch.arange(loaded.heads)
    group = heads // (loaded.heads // loaded.kv_heads)
    for part in ("q", "k", "v"):
        moved = _moved(base, part, at)
        cached = group[heads.view(moved.keys.shape[1], -1)[:, 0]]  # which group each recorded key serves
        own = torch.zeros_like(moved.keys)
        own[:, :, at] = cached == group[:, None]
        itself = torch.zeros_like(moved.pattern)
        itself[heads, heads, at] = True
        nowhere = torch.zeros_like(own)
        right = {
            "q": torch.equal(moved.keys | moved.values, nowhere) and not (moved.pattern & ~itself).any(),
            "k": torch.equal(moved.keys, own) and torch.equal(moved.values, nowhere),
            "v": torch.equal(moved.values, own) and torch.equal(moved.keys, nowhere) and not moved.pattern.any(),
        }[part]
        yield Difference(f"layer 0: a change of one head's {part}", 0.0 if right else float("nan"))


def _moved(base: Record, part: Projected, at: int) -> Moved:
    """What moves in layer 0 when row h has head h's q, k or v changed at position `at`."""
    loaded = base.loaded
    places = [loaded.architecture.projection(loaded.attention(0), part, head) for head in range(loaded.heads)]

    def changed(module: nn.Module, _: Any, projected: Tensor) -> Tensor:
        blocks = torch.unflatten(projected, -1, (-1, loaded.d_head)).clone()  # (heads, pos, blocks, d_head)
        for head, (own, block) in enumerate(places):
            if own is module:
                blocks[head, at, block] = 1 - blocks[head, at, block]
        return blocks.flatten(-2)

    modules = {module for module, _ in places}
    before, after = _attended(base, ()), _attended(base, [one.register_forward_hook(changed) for one in modules])
    return Moved(*((one != other).any(dim=-1).cpu() for one, other in zip(before, after, strict=True)))


def _attended(base: Record, changes: Iterable[RemovableHandle]) -> tuple[Tensor, Tensor, Tensor]:
    """Keys, values and pattern of layer 0 on the first prompt, once for each head, as (heads, …)."""
    loaded, seen = base.loaded, list[Tensor]()
    cache = KeyValuePrefix(base.k[0][:1, :, :0], base.v[0][:1, :, :0])
    spy = loaded.attention(0).register_forward_hook(lambda _, __, output: seen.append(output[1]))
    length = base.tokens.shape[1]
    rows = base.resid[0][:1].repeat(loaded.heads, 1, 1)
    with attached(spy, *changes):
        everywhere = torch.arange(length, device=rows.device)[None]
        base.calls[0].prompts(slice(0, 1)).run(rows, everywhere, length, cache)
    return *cache.seen, seen[0]


def _replays(base: Record) -> Iterator[Difference]:
    """Null edits of the first and the last layer's input, read at the end and before it, repeat the run."""
    last = base.tokens.shape[1] - 1
    reads = torch.tensor([[last, last // 2]], device=base.tokens.device).repeat(PROMPTS, 1)
    for layer in {0, base.loaded.layers - 1}:
        for at in (None, torch.full((PROMPTS,), last // 2, device=base.tokens.device)):
            resid = Component("resid", layer)
            again = replay(base, [[Edit(resid, at, read(base, resid, at))]], reads)
            what = f"replay from layer {layer}, position {0 if at is None else last // 2}"
            if not again.wrote.all():
                yield Difference(f"{what}: the edit was not written", float("nan"))
            yield difference(what, again.resid[0], base.resid[-1][:, reads[0]])


def _logits(base: Record) -> Difference:
    whole = base.loaded.model(input_ids=base.tokens, use_cache=False).logits
    return difference("logits of the final residual", logits(base.loaded, base.resid[-1]), whole)


def difference(what: str, one: Tensor, other: Tensor) -> Difference:
    tolerance = HALF_TOLERANCE.get(other.dtype, TOLERANCE)
    if one.shape != other.shape:
        return Difference(f"{what}: {tuple(one.shape)} against {tuple(other.shape)}", float("nan"), tolerance)
    scale = other.abs().max().clamp(min=torch.finfo(other.dtype).tiny)
    return Difference(what, float((one - other).abs().max() / scale), tolerance)
