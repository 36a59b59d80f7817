"""A Record: what one run of the model was, and how Hugging Face called its layers, so that each can be repeated."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle
from transformers import DynamicCache

if TYPE_CHECKING:
    from workers.engine.anatomy import Loaded
    from workers.engine.architectures import Projected


@contextmanager
def attached(*hooks: RemovableHandle) -> Iterator[None]:
    """Hooks that are gone when the block is left."""
    with ExitStack() as stack:
        for hook in hooks:
            stack.callback(hook.remove)
        yield


class KeyValuePrefix:
    """Stands in for Hugging Face's cache in one layer call: recorded keys and values before the ones just computed.

    The prefix is (batch, kv_heads, start, d_head); rows are intervention-major, so every `batch` rows share it.
    """

    is_compileable = False

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        self.keys, self.values = keys, values
        self.seen = keys, values

    def update(self, keys: Tensor, values: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
        self.seen = self._after(self.keys, keys), self._after(self.values, values)
        return self.seen

    def get_seq_length(self, *_: Any) -> int:
        return self.keys.shape[2]

    @staticmethod
    def _after(prefix: Tensor, new: Tensor) -> Tensor:
        if prefix.shape[2] == 0:
            return new
        rows = torch.unflatten(new, 0, (-1, prefix.shape[0]))  # (intervention, batch, kv_heads, n, d_head)
        return torch.cat([prefix.expand(rows.shape[0], *prefix.shape), rows], dim=3).flatten(0, 1)


@dataclass(frozen=True)
class LayerCall:
    """How one layer was called, without the residual: masks, rotations and positions of the whole prompt."""

    layer: nn.Module
    arguments: Mapping[str, Any]
    cache: str = "past_key_values"  # the name under which the layer takes its cache

    def prompts(self, some: slice) -> LayerCall:
        """The same call, of some of its prompts: padding differs from one to another."""
        mask = self.arguments.get("attention_mask")
        if mask is None or len(mask) == 1:
            return self
        return replace(self, arguments={**self.arguments, "attention_mask": mask[some]})

    def run(self, resid: Tensor, positions: Tensor, keys: int, cache: Any) -> Tensor:
        """Call the layer again on resid (rows, n, d_model), the residual at `positions` (1 or rows, n).

        `keys` is how many key positions its attention sees, `cache` what supplies those not computed in this call.
        """
        again = {name: self._at(name, value, positions, keys, len(resid)) for name, value in self.arguments.items()}
        again[self.cache] = cache
        output = self.layer(resid, **again)  # the recorded call, repeated with Hugging Face's own argument names
        following: Tensor = output[0] if isinstance(output, tuple) else output
        return following

    @staticmethod
    def _at(name: str, value: Any, positions: Tensor, keys: int, rows: int) -> Any:
        # all prompts are equally long, so that the first one's positions stand for all
        match name:
            case "attention_mask" if value is not None:
                return _mask_at(value, positions, rows)[..., :keys]
            case "position_ids" if value is not None:
                return value[0][positions]
            case "position_embeddings" if value is not None:
                return tuple(part[0][positions] for part in value)  # cos, sin: (1 or rows, n, d_rotary)
            case "alibi" if value is not None:
                return value[:1, ..., :keys].repeat(rows, 1, 1, 1)  # (rows, heads, 1, key)
            case _:
                return value


def _mask_at(mask: Tensor, positions: Tensor, rows: int) -> Tensor:
    """mask (1 or batch, 1 or heads, query, key) at positions (1 or rows, n): (1 or rows, 1 or heads, n, key).

    Rows are intervention-major.
    """
    if len(mask) == 1:
        return mask[0][:, positions].transpose(0, 1)
    of_rows = mask.repeat(rows // len(mask), 1, 1, 1)  # (rows, heads, query, key)
    of_positions = of_rows[torch.arange(rows, device=mask.device)[:, None], :, positions]  # (rows, n, heads, key)
    return of_positions.transpose(1, 2)


def _shared(mask: Tensor) -> Tensor:
    """A mask that is the same for all prompts, once: only padding tells them apart."""
    return mask[:1] if bool((mask == mask[:1]).all()) else mask


@dataclass(frozen=True, eq=False, repr=False)
class Record:
    """One run on prompts of one length. Tuples are by layer; nothing in it is ever edited."""

    loaded: Loaded
    tokens: Tensor  # (batch, pos)
    resid: tuple[Tensor, ...]  # (batch, pos, d_model) entering each layer, and last the one entering the final norm
    z: tuple[Tensor, ...]  # (batch, pos, heads, d_head)
    attn_out: tuple[Tensor, ...]  # (batch, pos, d_model)
    mlp_out: tuple[Tensor | None, ...]  # (batch, pos, d_model); None: the layer has no MLP
    # heads in place of kv_heads where a family (Falcon-40B) repeats them before it caches them
    k: tuple[Tensor, ...]  # (batch, kv_heads, pos, d_head), after any rotation
    v: tuple[Tensor, ...]  # (batch, kv_heads, pos, d_head)
    calls: tuple[LayerCall, ...]

    def prompts(self, some: slice) -> Record:
        """The same run, of some of its prompts."""

        def cut(by_layer: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            return tuple(tensor[some] for tensor in by_layer)

        return replace(
            self,
            tokens=self.tokens[some],
            resid=cut(self.resid),
            z=cut(self.z),
            attn_out=cut(self.attn_out),
            mlp_out=tuple(None if out is None else out[some] for out in self.mlp_out),
            k=cut(self.k),
            v=cut(self.v),
            calls=tuple(call.prompts(some) for call in self.calls),
        )

    def pattern(self, layer: int) -> Tensor:
        """The attention weights of one layer, run again: (batch, heads, query, key)."""
        seen: list[Tensor] = []
        hook = self.loaded.attention(layer).register_forward_hook(lambda _, __, output: seen.append(output[1]))
        self._rerun(layer, hook)
        return seen[0]

    def neurons(self, layer: int) -> Tensor:
        """The MLP's hidden activations of one layer, run again: (batch, pos, d_mlp)."""
        down = self.loaded.down_projection(layer)
        if down is None:
            raise LookupError(f"layer {layer} of this model has no MLP, hence no neurons")
        seen: list[Tensor] = []
        self._rerun(layer, down.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0])))
        return seen[0].view(*self.tokens.shape, -1)  # OPT joins prompts and positions

    def projected(self, layer: int, part: Projected, head: int) -> Tensor:
        """q, k or v of one query head as projected, before any rotation, its layer run again: (batch, pos, d_head)."""
        module, block = self.loaded.architecture.projection(self.loaded.attention(layer), part, head)
        seen: list[Tensor] = []
        self._rerun(layer, module.register_forward_hook(lambda _, __, output: seen.append(output)))
        return torch.unflatten(seen[0], -1, (-1, self.loaded.d_head))[:, :, block]

    @torch.no_grad()
    def _rerun(self, layer: int, hook: RemovableHandle) -> Tensor:
        length = self.tokens.shape[1]
        everywhere = torch.arange(length, device=self.tokens.device)[None]
        nothing = KeyValuePrefix(self.k[layer][:, :, :0], self.v[layer][:, :, :0])
        with attached(hook):
            return self.calls[layer].run(self.resid[layer], everywhere, length, nothing)


@torch.no_grad()
def record(loaded: Loaded, tokens: Tensor) -> Record:
    """Run the model once on tokens (batch, pos): prompts of one length, no padding."""
    assert tokens.ndim == 2 and 0 < tokens.shape[1] <= loaded.positions, tuple(tokens.shape)
    tokens, spy = tokens.to(loaded.device), Spy(loaded)
    cache: Any = DynamicCache()  # without a config: one made for sliding windows would drop positions
    with attached(*spy.hooks()):
        loaded.model.base_model(input_ids=tokens, past_key_values=cache, use_cache=True)
    return Record(
        loaded=loaded,
        tokens=tokens,
        resid=tuple(spy.resid),
        z=tuple(torch.unflatten(z, -1, (loaded.heads, loaded.d_head)) for z in spy.z),
        attn_out=tuple(spy.attn_out),
        mlp_out=tuple(spy.mlp_out.get(layer) for layer in range(loaded.layers)),
        k=tuple(layer.keys for layer in cache.layers),
        v=tuple(layer.values for layer in cache.layers),
        calls=tuple(spy.calls),
    )


class Spy:
    """Looks at a run through hooks and changes nothing."""

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded
        self.calls: list[LayerCall] = []
        self.resid: list[Tensor] = []
        self.z: list[Tensor] = []
        self.attn_out: list[Tensor] = []
        self.mlp_out: dict[int, Tensor] = {}

    def hooks(self) -> Iterator[RemovableHandle]:
        for number in range(self.loaded.layers):
            attention, mlp = self.loaded.attention(number), self.loaded.mlp(number)
            yield self.loaded.layer(number).register_forward_pre_hook(self.see_call, with_kwargs=True)
            yield self.loaded.output_projection(number).register_forward_pre_hook(self._see_z)
            yield attention.register_forward_hook(self._see_attention)
            if mlp is not None:
                yield mlp.register_forward_hook(self._see_mlp)
        yield self.loaded.final_norm().register_forward_pre_hook(self._see_last)

    def see_call(self, layer: Any, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        signature = inspect.signature(layer.forward)
        first, *_ = signature.parameters
        # GPT-2 hands cache and mask on by position: bind them to their names
        bound = dict(signature.bind(*args, **named).arguments)
        self.resid.append(bound.pop(first))
        bound |= bound.pop("kwargs", {})
        cache = "layer_past" if "layer_past" in signature.parameters else "past_key_values"
        bound.pop(cache, None)
        if bound.get("attention_mask") is not None:
            bound["attention_mask"] = _shared(bound["attention_mask"])
        self.calls.append(LayerCall(layer, bound, cache))

    def _see_z(self, _: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self.z.append(inputs[0])

    def _see_attention(self, _: nn.Module, __: Any, output: Any) -> None:
        self.attn_out.append(output[0] if isinstance(output, tuple) else output)

    def _see_mlp(self, _: nn.Module, __: Any, output: Tensor) -> None:
        # Falcon adds the attention's output into this tensor in place; OPT joins prompts and positions
        self.mlp_out[len(self.calls) - 1] = output.clone().view(self.resid[-1].shape)

    def _see_last(self, _: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self.resid.append(inputs[0])
