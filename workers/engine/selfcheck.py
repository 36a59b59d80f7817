"""A loaded model proves on its actual weights that the engine reads it rightly, or it is refused.

Three things are compared with the model's own forward pass, in the replay's own code: every layer called again gives
the residual that followed it; so it does from recorded keys and values on, and at the read positions alone; and a
head's z times W_O, summed over heads, is what the attention wrote.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from workers.engine.anatomy import Loaded
from workers.engine.documents.components import Component
from workers.engine.edit import Edit, read
from workers.engine.record import KeyValuePrefix, Record, record
from workers.engine.replay import logits, replay

TOLERANCE = 1e-5  # of the largest number compared
PROMPTS, LENGTH, SEED = 2, 6, 0


@dataclass(frozen=True)
class Difference:
    """How far a comparison was off, relative to the largest number compared."""

    what: str
    relative: float

    @property
    def holds(self) -> bool:
        return self.relative <= TOLERANCE  # False for NaN, as it should be


@torch.no_grad()
def selfcheck(loaded: Loaded) -> list[Difference]:
    """Every comparison on short random prompts that suit the model's vocabulary and length."""
    base = record(loaded, sample(loaded))
    return [*_layers_again(base), *_heads(base), *_replays(base), _logits(base)]


def sample(loaded: Loaded) -> Tensor:
    """(batch, pos) token ids, the same on every device."""
    generator = torch.Generator().manual_seed(SEED)
    shape = (PROMPTS, min(LENGTH, loaded.positions))
    return torch.randint(loaded.vocabulary, shape, generator=generator).to(loaded.device)


def _layers_again(base: Record) -> Iterator[Difference]:
    length = base.tokens.shape[1]
    for layer, call in enumerate(base.calls):
        for start in {0, length // 2} if base.loaded.architecture.CAUSAL else {0}:
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


def _replays(base: Record) -> Iterator[Difference]:
    """Null edits of the first and the last layer's input, read at the end only, repeat the run."""
    last = base.tokens.shape[1] - 1
    end = torch.full((PROMPTS, 1), last, device=base.tokens.device)
    for layer in {0, base.loaded.layers - 1}:
        for at in (None, torch.full((PROMPTS,), last // 2, device=base.tokens.device)):
            resid = Component("resid", layer)
            again = replay(base, [[Edit(resid, at, read(base, resid, at))]], end)
            what = f"replay from layer {layer}, position {0 if at is None else last // 2}"
            if not again.wrote.all():
                yield Difference(f"{what}: the edit was not written", float("nan"))
            yield difference(what, again.resid[0], base.resid[-1][:, -1:])


def _logits(base: Record) -> Difference:
    whole = base.loaded.model(input_ids=base.tokens, use_cache=False).logits
    return difference("logits of the final residual", logits(base.loaded, base.resid[-1]), whole)


def difference(what: str, one: Tensor, other: Tensor) -> Difference:
    if one.shape != other.shape:
        return Difference(f"{what}: {tuple(one.shape)} against {tuple(other.shape)}", float("nan"))
    scale = other.abs().max().clamp(min=torch.finfo(other.dtype).tiny)
    return Difference(what, float((one - other).abs().max() / scale))
