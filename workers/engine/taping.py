"""A run that gradients can be taken of, layer by layer, computed only where it differs from a recorded one.

It begins at the first token in which the two differ, on the keys and values recorded before it, and ends at the last
token read. Hugging Face's own layers do all the computing, and parameters get no gradients. The graph is cut where
attention and MLP read the residual stream, so that what one reader sees can be told apart from what the stream carries.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from workers.engine.anatomy import Loaded
from workers.engine.architectures import Projected
from workers.engine.attending import PROJECTED, Reached, leave_with_input
from workers.engine.record import KeyValuePrefix, Record, attached

BUDGET = 256 * 2**20  # bytes that the graphs of all layers may hold together


@dataclass(frozen=True, eq=False)
class Base:
    """The run to be differentiated.

    entering: (batch, pos, d_model) what enters its first layer. context: a recorded run whose masks, keys and values
    it has before `start`. reads: (batch, n_reads). Positions from `start` to before `end` are computed.
    """

    context: Record
    entering: Tensor
    reads: Tensor
    start: int
    end: int

    @property
    def loaded(self) -> Loaded:
        return self.context.loaded

    def prompts(self, some: slice) -> Base:
        return replace(self, context=self.context.prompts(some), entering=self.entering[some], reads=self.reads[some])

    def cut(self, of_all_positions: Tensor) -> Tensor:
        """(batch, pos, …) -> (batch, n, …)."""
        return of_all_positions[:, self.start : self.end]


def base_of(context: Record, tokens: Tensor, other: Tensor, reads: Tensor, entering: Tensor | None = None) -> Base:
    """The run on tokens (batch, pos), computed from where they differ from `other`, which are patched in.

    context: a run on either of the two.
    """
    loaded = context.loaded
    tokens, other, reads = (found.to(loaded.device) for found in (tokens, other, reads))
    entering = embedded(loaded, tokens) if entering is None else entering
    if not loaded.causal:
        return Base(context, entering, reads, 0, tokens.shape[1])
    differs, last = (tokens != other).any(0), int(reads.max())
    start = min(last, int(differs.int().argmax())) if differs.any() else last
    return Base(context, entering, reads, start, last + 1)


@torch.no_grad()
def embedded(loaded: Loaded, tokens: Tensor) -> Tensor:
    """(batch, pos, d_model): what enters the first layer."""
    with attached(loaded.layer(0).register_forward_pre_hook(leave_with_input)):
        try:
            loaded.model.base_model(input_ids=tokens.to(loaded.device), use_cache=False)
        except Reached as reached:
            return reached.found[0]
    raise RuntimeError(f"this {loaded.family} did not reach its first layer")


@dataclass(frozen=True, eq=False)
class Reader:
    """Where attention or MLP reads the stream. given: what the layer made of it. taken: the same, cut off."""

    given: Tensor
    taken: Tensor


@dataclass(frozen=True, eq=False)
class LayerRun:
    """One layer's tensors, (rows, n, …), rows prompt-minor; graphs lead from the cuts and `entering` onwards."""

    number: int
    entering: Tensor
    leaving: Tensor
    attention: Reader
    z: Tensor  # (rows, n, heads * d_head)
    attn_out: Tensor
    projected: Mapping[nn.Module, Tensor]
    mlp: Reader | None = None
    neurons: Tensor | None = None
    mlp_out: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Tape:
    base: Base
    layers: tuple[LayerRun, ...]
    final: Tensor  # (rows, n, d_model) entering the final norm, cut off


def taped(base: Base, resid: Tensor) -> Tape:
    """Run all layers on resid (rows, n, d_model), which enters the first; rows may be several of each prompt."""
    layers: list[LayerRun] = []
    with torch.enable_grad():
        for number in range(base.loaded.layers):
            layers.append(run_layer(base, number, resid))
            resid = layers[-1].leaving
    return Tape(base, tuple(layers), leaf(resid))


def run_layer(base: Base, number: int, resid: Tensor) -> LayerRun:
    """One layer of resid (rows, n, d_model), cut off from what came before."""
    loaded, context, seen = base.loaded, base.context, _Seen()
    attention, mlp = loaded.attention(number), loaded.mlp(number)
    prefix = KeyValuePrefix(context.k[number][:, :, : base.start], context.v[number][:, :, : base.start])
    positions = torch.arange(base.start, base.end, device=resid.device)[None]
    entering = leaf(resid)
    with ExitStack() as hooks:
        hooks.enter_context(attached(attention.register_forward_pre_hook(seen.cut("attention"), with_kwargs=True)))
        hooks.enter_context(attached(loaded.output_projection(number).register_forward_pre_hook(seen.input("z"))))
        hooks.enter_context(attached(attention.register_forward_hook(seen.output("attn_out"))))
        for module in projections(loaded, number):
            hooks.enter_context(attached(module.register_forward_hook(seen.projection)))
        if mlp is not None:
            down = loaded.architecture.down_projection(mlp)
            hooks.enter_context(attached(mlp.register_forward_pre_hook(seen.cut("mlp"), with_kwargs=True)))
            hooks.enter_context(attached(down.register_forward_pre_hook(seen.input("neurons"))))
            hooks.enter_context(attached(mlp.register_forward_hook(seen.mlp)))
        leaving = context.calls[number].run(entering, positions, base.end, prefix)
    return LayerRun(number=number, entering=entering, leaving=leaving, projected=seen.projected, **seen.found)


class _Seen:
    """What hooks see of one layer, by the names of LayerRun's fields."""

    def __init__(self) -> None:
        self.found: dict[str, Any] = {}
        self.projected: dict[nn.Module, Tensor] = {}

    def cut(self, name: str) -> Any:
        def hook(_: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
            given = args[0] if args else named["hidden_states"]
            reader = self.found[name] = Reader(given, leaf(given))
            if args:
                return (reader.taken, *args[1:]), named
            return args, {**named, "hidden_states": reader.taken}

        return hook

    def input(self, name: str) -> Any:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            self.found[name] = inputs[0]

        return hook

    def output(self, name: str) -> Any:
        def hook(_: nn.Module, __: Any, output: Any) -> None:
            self.found[name] = output[0] if isinstance(output, tuple) else output

        return hook

    def mlp(self, _: nn.Module, __: Any, output: Tensor) -> Tensor:
        self.found["mlp_out"] = output
        return output.clone()  # Falcon adds the attention's output into this tensor in place

    def projection(self, module: nn.Module, _: Any, output: Tensor) -> None:
        self.projected[module] = output


def projections(loaded: Loaded, layer: int) -> list[nn.Module]:
    """The modules that give q, k and v, each once; fewer where they share one."""
    attention = loaded.attention(layer)
    return list(dict.fromkeys(loaded.architecture.projection(attention, part, 0)[0] for part in PROJECTED))


def in_heads(loaded: Loaded, layer: int, part: Projected, of_modules: Mapping[nn.Module, Tensor]) -> Tensor:
    """The outputs of the projections, or their gradients, as each query head sees them: (rows, n, heads, d_head)."""
    attention, architecture = loaded.attention(layer), loaded.architecture
    places = [architecture.projection(attention, part, head) for head in range(loaded.heads)]
    (module,) = {module for module, _ in places}
    blocks = [block for _, block in places]
    return torch.unflatten(of_modules[module], -1, (-1, loaded.d_head))[:, :, blocks]


def by_prompt(of_mlp: Tensor, like: Tensor) -> Tensor:
    """(rows, n, d) as `like` is, whether or not the family's MLP sees rows and positions as one."""
    return of_mlp.view(*like.shape[:2], -1)


def leaf(tensor: Tensor) -> Tensor:
    return tensor.detach().requires_grad_()


def portions(base: Base, rows_of_a_prompt: int = 1) -> list[slice]:
    """The prompts, so many at a time that their graphs fit the budget."""
    loaded = base.loaded
    heads = loaded.heads * loaded.d_head
    each = 10 * loaded.d_model + 4 * (loaded.d_mlp or 0) + 6 * heads + 3 * loaded.heads * base.end
    numbers = loaded.layers * (base.end - base.start) * each * rows_of_a_prompt
    at_once = max(1, BUDGET // (numbers * base.entering.element_size()))
    return [slice(start, start + at_once) for start in range(0, len(base.entering), at_once)]
