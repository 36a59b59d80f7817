"""The slow truth of `head_weights`: the model's own forward pass on one token, its residual put in by hooks.

A token that stands alone attends to itself alone, so what reaches the output projection is its value. No weight matrix
of a head is looked at here; biases are taken off by a second run on a zero residual.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from workers.engine.anatomy import Loaded
from workers.engine.architectures import Projected
from workers.engine.head_weights import Embedding

LARGE = 1e3


@dataclass(frozen=True, eq=False)
class HeadModules:
    loaded: Loaded

    def embedded(self, layer: int, tokens: Tensor, embedding: Embedding) -> Tensor:
        """See `HeadWeights.embedded`."""
        plain = self.loaded.architecture.embedding(self.loaded.model)[tokens.to(self.loaded.device)]
        if embedding == "plain" or layer == 0:
            return plain
        silent = self.loaded.output_projection(0).register_forward_hook(lambda _, __, output: torch.zeros_like(output))
        try:
            return self._run(0, plain, self.loaded.layer(0), _output)
        finally:
            silent.remove()

    def written(self, layer: int, head: int, resid: Tensor) -> Tensor:
        """See `HeadWeights.written`."""
        output = self.loaded.output_projection(layer)
        z = self._less_bias(layer, resid, output, _input)  # (n, heads * d_head)
        own = torch.unflatten(torch.zeros_like(z), -1, (self.loaded.heads, -1))
        own[:, head] = torch.unflatten(z, -1, (self.loaded.heads, -1))[:, head]
        padded = own.flatten(-2)
        projected: Tensor = output(padded) - output(torch.zeros_like(padded))
        return projected

    def logits(self, written: Tensor) -> Tensor:
        """See `HeadWeights.logits`."""
        norm, (weight, bias) = self.loaded.final_norm(), self.loaded.architecture.unembedding(self.loaded.model)
        zero = torch.zeros_like(written)
        found = nn.functional.linear(norm(written), weight, bias) - nn.functional.linear(norm(zero), weight, bias)
        return found.float()

    def scores(self, layer: int, head: int, queries: Tensor, keys: Tensor) -> Tensor:
        """See `HeadWeights.scores`."""
        asked, answered = self._projected(layer, "q", head, queries), self._projected(layer, "k", head, keys)
        return torch.einsum("nh,mh->nm", asked, answered).float()

    def projection(self, layer: int, part: Projected, head: int) -> Tensor:
        """See `HeadWeights.projection`: what the module makes of every unit vector."""
        loaded = self.loaded
        module, block = loaded.architecture.projection(loaded.attention(layer), part, head)
        return torch.unflatten(_of_units(module, loaded.d_model), -1, (-1, loaded.d_head))[:, block]

    def output(self, layer: int, head: int) -> Tensor:
        """See `HeadWeights.output`."""
        width = self.loaded.heads * self.loaded.d_head
        whole = _of_units(self.loaded.output_projection(layer), width)
        return torch.unflatten(whole, 0, (self.loaded.heads, -1))[head]

    def reading(self, layer: int) -> Tensor:
        """See `HeadWeights.reading`."""
        return self._linear_read(layer, self._units)

    def circuit(self, layer: int, head: int, embedding: Embedding) -> Tensor:
        """See `HeadWeights.circuit`: over the whole vocabulary in both directions."""
        every = torch.arange(self.loaded.vocabulary, device=self.loaded.device)
        read = self._linear_read(layer, self.embedded(layer, every, embedding))
        values = read @ self.projection(layer, "v", head)  # (vocabulary, d_head)
        weight = self.loaded.architecture.unembedding(self.loaded.model)[0]
        outward = _linear(self.loaded.final_norm(), self.output(layer, head)) @ weight.T  # (d_head, vocabulary)
        return outward @ values

    @property
    def _units(self) -> Tensor:
        weight = self.loaded.architecture.embedding(self.loaded.model)
        return torch.eye(self.loaded.d_model, dtype=weight.dtype, device=weight.device)

    def _linear_read(self, layer: int, resid: Tensor) -> Tensor:
        loaded = self.loaded
        module, _ = loaded.architecture.projection(loaded.attention(layer), "v", 0)
        return _linear(lambda x: self._run(layer, x, module, _input), resid)

    def _projected(self, layer: int, part: Projected, head: int, resid: Tensor) -> Tensor:
        loaded = self.loaded
        module, block = loaded.architecture.projection(loaded.attention(layer), part, head)
        found = self._less_bias(layer, resid, module, _output)
        return torch.unflatten(found, -1, (-1, loaded.d_head))[:, block]

    def _less_bias(self, layer: int, resid: Tensor, module: nn.Module, see: Callable[..., Tensor]) -> Tensor:
        whole, bias = (self._run(layer, x, module, see) for x in (resid, torch.zeros_like(resid)))
        return whole - bias

    def _run(self, layer: int, resid: Tensor, module: nn.Module, see: Callable[..., Tensor]) -> Tensor:
        """One whole forward pass of single tokens, with `resid` (n, d_model) entering the layer."""
        seen: list[Tensor] = []

        def replaced(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
            return (resid[:, None], *inputs[1:])

        def spy(_: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            seen.append(see(inputs, output)[:, 0])

        with ExitStack() as hooks:
            hooks.callback(self.loaded.layer(layer).register_forward_pre_hook(replaced).remove)
            hooks.callback(module.register_forward_hook(spy).remove)
            tokens = torch.ones(len(resid), 1, dtype=torch.long, device=self.loaded.device)
            self.loaded.model(input_ids=tokens, use_cache=False)
        return seen[0]


def _of_units(module: nn.Module, size: int) -> Tensor:
    """(size, out): a projection's weights, whichever way it stores them."""
    parameter = next(module.parameters())
    units = torch.eye(size, dtype=parameter.dtype, device=parameter.device)
    found: Tensor = module(units) - module(torch.zeros_like(units))
    return found


def _linear(norm: Callable[[Tensor], Tensor], resid: Tensor) -> Tensor:
    """(n, d_model) -> (n, d_model): a norm's output times the length that it divided by, if it divides by any.

    Vectors are enlarged first, so that the small number which a norm adds to a length does not count.
    """
    scale = LARGE / resid.square().mean(-1, keepdim=True).sqrt().clamp(min=torch.finfo(resid.dtype).tiny)
    large = resid * scale
    bias = norm(torch.zeros_like(large))
    out = norm(large) - bias
    if torch.allclose(norm(2 * large) - bias, 2 * out, rtol=1e-2):
        return out / scale
    level = (norm(torch.ones_like(large)) - bias).abs().max()
    if level < 1e-3 * out.abs().max():
        return out * large.std(-1, keepdim=True, unbiased=False) / scale
    return out * large.square().mean(-1, keepdim=True).sqrt() / scale


def _input(inputs: tuple[Any, ...], _: Any) -> Tensor:
    found: Tensor = inputs[0]
    return found


def _output(_: tuple[Any, ...], output: Any) -> Tensor:
    found: Tensor = output[0] if isinstance(output, tuple) else output
    return found
