"""Heads as matrices: what a head reads, moves and writes by its weights alone. No prompt is run.

Vectors are rows, as TransformerLens writes them: a head moves x to norm(x) W_V W_O, and a query x looks at a key y by
norm(x) W_Q (norm(y) W_K)^T. What is left out, here and in `head_modules`, which computes the same by running modules:

- biases, of projections and of norms: a norm's output is meant less its output for a zero vector;
- positions: learned ones are not added, rotated queries and keys are meant at one and the same position;
- norms of q and k, a norm after the attention, and what is done to the logits behind the unembedding.

Norms before the attention and before the unembedding are the model's own. Where only matrices are multiplied, their
linear part stands in: the gain and, for LayerNorm, the centring; how long a vector is does not matter there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, assert_never

import torch
from torch import Tensor, nn

from workers.engine.anatomy import Loaded
from workers.engine.architectures import Projected
from workers.engine.attending import Reached, forward_of, leave_with_input
from workers.engine.edit import CannotEdit
from workers.engine.record import KeyValuePrefix, Record, attached, record

Embedding = Literal["plain", "after_mlp0"]
"""plain: W_E. after_mlp0: the residual after layer 0 of a token that attends to nothing; layer 0 itself reads W_E."""
TOKENS_AT_ONCE = 4096


@dataclass(frozen=True, eq=False)
class HeadWeights:
    """The matrices of one loaded model. alone: a run of one token, for how layers are called."""

    loaded: Loaded
    alone: Record

    def projection(self, layer: int, part: Projected, head: int) -> Tensor:
        """W_Q, W_K or W_V of one query head: (d_model, d_head)."""
        loaded = self.loaded
        module, block = loaded.architecture.projection(loaded.attention(layer), part, head)
        weight = module.weight
        assert isinstance(weight, Tensor)
        if weight.ndim == 1:  # OLMo 2: q and k are given by a norm over all heads
            raise CannotEdit(
                f"{layer}.{head}.{part}: a {loaded.family} has no one matrix for it; ask for v or run prompts"
            )
        inward = weight.T if isinstance(module, nn.Linear) else weight  # Conv1D stores (in, out)
        return torch.unflatten(inward, 1, (-1, loaded.d_head))[:, block]

    def embedded(self, layer: int, tokens: Tensor, embedding: Embedding) -> Tensor:
        """(n,) token ids -> (n, d_model): what stands for them in the residual stream before a layer."""
        plain = self.loaded.architecture.embedding(self.loaded.model)[tokens.to(self.loaded.device)]
        match embedding:
            case "plain":
                return plain
            case "after_mlp0":
                return plain if layer == 0 else self._after_first_layer(plain)
            case _:
                assert_never(embedding)

    def read(self, layer: int, resid: Tensor) -> Tensor:
        """(n, d_model) -> (n, d_model): what the projections of a layer get of a residual."""
        zero = resid.new_zeros(1, resid.shape[1])
        return self._normed(layer, resid) - self._normed(layer, zero)

    def written(self, layer: int, head: int, resid: Tensor) -> Tensor:
        """(n, d_model) -> (n, d_model): what the head writes if it looks at these residuals."""
        return self.read(layer, resid) @ self.projection(layer, "v", head) @ self.output(layer, head)

    def output(self, layer: int, head: int) -> Tensor:
        """W_O of one head: (d_head, d_model)."""
        return self.loaded.W_O(layer)[head]

    def logits(self, written: Tensor) -> Tensor:
        """(n, d_model) -> (n, outputs): through the final norm and the unembedding."""
        norm = self.loaded.final_norm()
        normed: Tensor = norm(written) - norm(torch.zeros_like(written[:1]))
        return (normed @ self.loaded.architecture.unembedding(self.loaded.model)[0].T).float()

    def scores(self, layer: int, head: int, queries: Tensor, keys: Tensor) -> Tensor:
        """(n, d_model), (m, d_model) -> (n, m): attention scores before any scale."""
        asked = self.read(layer, queries) @ self.projection(layer, "q", head)
        return (asked @ (self.read(layer, keys) @ self.projection(layer, "k", head)).T).float()

    def reading(self, layer: int) -> Tensor:
        """(d_model, d_model): the linear part of what stands before a layer's projections."""
        return linear_part(lambda resid: self._normed(layer, resid), self._probe)

    def circuit(self, layer: int, head: int, embedding: Embedding) -> Tensor:
        """(d_head, d_head): W_O N' W_U E N W_V, whose eigenvalues are those of the OV circuit that are not 0."""
        weight = self.loaded.architecture.unembedding(self.loaded.model)[0]  # (vocabulary, d_model)
        every = torch.arange(len(weight), device=weight.device).split(TOKENS_AT_ONCE)
        through = sum(weight[some].T @ self.embedded(layer, some, embedding) for some in every)  # (d_model, d_model)
        outward = self.output(layer, head) @ linear_part(self.loaded.final_norm(), self._probe)
        return outward @ through @ self.reading(layer) @ self.projection(layer, "v", head)

    @property
    def _probe(self) -> Tensor:
        return self.alone.resid[0].new_zeros(1, self.loaded.d_model)

    def _after_first_layer(self, resid: Tensor) -> Tensor:
        def nothing(*_: Any, **__: Any) -> tuple[Tensor, None]:
            return torch.zeros_like(resid)[:, None], None

        with forward_of(self.loaded.attention(0), nothing):
            return self._call(0, resid)[:, 0]

    def _normed(self, layer: int, resid: Tensor) -> Tensor:
        """With the norm's bias. What the value projection gets, the others get too."""
        loaded = self.loaded
        module, _ = loaded.architecture.projection(loaded.attention(layer), "v", 0)
        with attached(module.register_forward_pre_hook(leave_with_input)):
            try:
                self._call(layer, resid)
            except Reached as reached:
                return reached.found[0][:, 0]
        raise RuntimeError(f"layer {layer}: the attention did not reach its value projection")

    def _call(self, layer: int, resid: Tensor) -> Tensor:
        """(n, d_model) -> (n, 1, d_model): the layer on residuals that stand alone."""
        position = torch.zeros(1, 1, dtype=torch.long, device=resid.device)
        nothing = KeyValuePrefix(self.alone.k[layer][:, :, :0], self.alone.v[layer][:, :, :0])
        return self.alone.calls[layer].run(resid[:, None], position, 1, nothing)


def head_weights(loaded: Loaded) -> HeadWeights:
    return HeadWeights(loaded, record(loaded, torch.ones(1, 1, dtype=torch.long)))


def linear_part(norm: Callable[[Tensor], Tensor], zero: Tensor) -> Tensor:
    """(d_model, d_model): gain and centring, found by asking the norm itself; the identity where there is none.

    zero: (1, d_model). A vector of ones and minus ones has mean 0 and length 1 per entry, so it comes out as gain and
    bias; one of ones alone comes out as the bias if the norm centres.
    """
    size = zero.shape[1]
    signs = torch.ones_like(zero)
    signs[:, 1::2] = -1
    signs[:, -1] *= 1 if size % 2 == 0 else 0  # an odd number of entries: the last is left out of the mean
    bias = norm(zero)[0]
    gain = (norm(signs)[0] - bias) * signs[0]
    if size % 2:
        last = signs.roll(1, dims=1)
        gain = torch.where(signs[0] == 0, (norm(last)[0] - bias) * last[0], gain)
    level = (norm(torch.ones_like(zero))[0] - bias).abs().max()
    centring = torch.eye(size, dtype=zero.dtype, device=zero.device)
    if level < 1e-3 * gain.abs().max():
        centring = centring - 1 / size
    return centring * gain
