"""The slow truth of a circuit of edges: for every receiver a call of its own, with plain hooks, one head at a time.

What a sender writes is seen by letting its layer run on nothing, with nothing beside it; so neither the family's
matrices nor what it does between a module and the stream are taken on trust. It shares no code with `edge_circuit`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from workers.engine.anatomy import Loaded
from workers.engine.documents.components import Component
from workers.engine.documents.reach import can_reach

Hook = Callable[[ExitStack], None]


@dataclass(frozen=True, eq=False)
class EdgeCircuitOracle:
    """tokens: (batch, pos). ablated: by sender, z, what an MLP gives, or the embedding. edges: [sender, receiver]."""

    loaded: Loaded
    tokens: Tensor
    ablated: Mapping[Component, Tensor]
    edges: frozenset[tuple[str, str]]
    _calls: dict[int, tuple[Any, Any]] = field(default_factory=dict, repr=False)
    _written: dict[tuple[Component, bool], Tensor] = field(default_factory=dict, repr=False)  # True: live
    _given: dict[tuple[Component, bool], Tensor] = field(default_factory=dict, repr=False)  # by the attention, a head

    @torch.no_grad()
    def final(self) -> Tensor:
        """(batch, pos, d_model): what enters the final norm."""
        self._note_calls()
        embed = Component("embed")
        self._written[embed, True], self._written[embed, False] = self._calls[0][0][0], self.ablated[embed]
        for layer in range(self.loaded.layers):
            for head in self._heads(layer):
                self._given[head, True] = self._of_head(head, self._z(head))
                self._given[head, False] = self._of_head(head, self.ablated[head])
                for live in (True, False):
                    self._written[head, live] = self._in_stream(layer, self._given[head, live], None)
            if self.loaded.mlp(layer) is not None:
                mlp = Component("mlp", layer)
                self._written[mlp, True] = self._in_stream(layer, None, self._of_mlp(mlp))
                self._written[mlp, False] = self._in_stream(layer, None, self.ablated[mlp])
        return self._read(Component("logits"), self.loaded.layers)

    def _heads(self, layer: int) -> list[Component]:
        return [Component("head", layer, head) for head in range(self.loaded.heads)]

    def _is_live(self, sender: Component, receiver: Component) -> bool:
        return (str(sender), str(receiver)) in self.edges

    def _read(self, receiver: Component, layers: int) -> Tensor:
        """The stream behind the first `layers` layers, as the receiver reads it."""
        total = torch.zeros_like(self.ablated[Component("embed")])
        for sender, live in self._written:
            behind = sender.layer is not None and sender.layer >= layers
            if live and not behind and can_reach(sender, receiver):
                total = total + self._written[sender, self._is_live(sender, receiver)]
        for layer in range(layers):
            total = total + self._in_stream(layer, self._bias(layer), None)
        return total

    def _z(self, head: Component) -> Tensor:
        """(batch, pos, d_head): of the q, k and v that the head reads, each from a call of its own."""
        loaded, layer, number = self.loaded, head.layer, head.head
        assert layer is not None and number is not None
        attention, width = loaded.attention(layer), loaded.d_head
        own: list[tuple[nn.Module, int, Tensor]] = []
        for part in ("q", "k", "v"):
            module, block = loaded.architecture.projection(attention, part, number)
            resid = self._read(Component("head", layer, number, part), layer)
            own.append((module, block, self._seen(layer, resid, module, "output")[..., block * width :][..., :width]))

        def puts(hooks: ExitStack) -> None:
            for module, block, value in own:
                hooks.callback(module.register_forward_hook(_with_block(block * width, value)).remove)

        z = self._seen(layer, resid, loaded.output_projection(layer), "input", puts)
        return z[..., number * width :][..., :width]

    def _of_head(self, head: Component, z: Tensor) -> Tensor:
        """(batch, pos, d_model): the head's share of what its attention gives."""
        loaded = self.loaded
        assert head.layer is not None and head.head is not None
        alone = z.new_zeros(*z.shape[:-1], loaded.heads * loaded.d_head)
        alone[..., head.head * loaded.d_head :][..., : loaded.d_head] = z
        projection = loaded.output_projection(head.layer)
        share: Tensor = projection(alone) - projection(torch.zeros_like(alone))
        return share

    def _bias(self, layer: int) -> Tensor:
        like = self.ablated[Component("embed")]
        nothing = like.new_zeros(*like.shape[:-1], self.loaded.heads * self.loaded.d_head)
        bias: Tensor = self.loaded.output_projection(layer)(nothing)
        return bias

    def _of_mlp(self, mlp: Component) -> Tensor:
        """What the MLP gives, its attention giving the heads as the MLP hears them; the layer says if it does."""
        layer = mlp.layer
        assert layer is not None
        heads = sum((self._given[head, self._is_live(head, mlp)] for head in self._heads(layer)), self._bias(layer))
        module = self.loaded.mlp(layer)
        assert module is not None

        def puts(hooks: ExitStack) -> None:
            hooks.callback(self.loaded.attention(layer).register_forward_hook(_gives(heads)).remove)

        return self._seen(layer, self._read(mlp, layer), module, "output", puts)

    def _in_stream(self, layer: int, attention_gives: Tensor | None, mlp_gives: Tensor | None) -> Tensor:
        """What the layer makes of an empty stream when its attention or its MLP gives this, and the other nothing."""
        nothing = torch.zeros_like(self.ablated[Component("embed")])
        modules = ((self.loaded.attention(layer), attention_gives), (self.loaded.mlp(layer), mlp_gives))

        def puts(hooks: ExitStack) -> None:
            for module, value in modules:
                if module is not None:
                    given = nothing if value is None else value
                    hooks.callback(module.register_forward_hook(_gives(given)).remove)

        return self._seen(layer, nothing, self.loaded.layer(layer), "output", puts).view(nothing.shape)

    def _seen(self, layer: int, resid: Tensor, module: nn.Module, side: str, puts: Hook | None = None) -> Tensor:
        """A module's input or output when its layer is called on resid."""
        seen: list[Tensor] = []

        def spy(_: nn.Module, inputs: Any, output: Any) -> None:
            found = inputs[0] if side == "input" else output[0] if isinstance(output, tuple) else output
            seen.append(found.clone())  # Falcon adds to its MLP's output in place

        (_, *args), named = self._calls[layer]
        with ExitStack() as hooks:
            if puts is not None:
                puts(hooks)
            hooks.callback(module.register_forward_hook(spy).remove)
            self.loaded.layer(layer)(resid, *args, **named)
        return seen[0].view(*resid.shape[:2], -1)

    def _note_calls(self) -> None:
        """How the model's own forward pass calls its layers."""
        with ExitStack() as hooks:
            for layer, note in zip(range(self.loaded.layers), self._notes(), strict=False):
                hooks.callback(self.loaded.layer(layer).register_forward_pre_hook(note, with_kwargs=True).remove)
            self.loaded.model(input_ids=self.tokens, use_cache=False)

    def _notes(self) -> Iterator[Callable[..., None]]:
        for layer in range(self.loaded.layers):

            def note(_: nn.Module, args: Any, named: Any, layer: int = layer) -> None:
                if layer not in self._calls:
                    self._calls[layer] = args, named

            yield note


def _gives(value: Tensor) -> Callable[..., Any]:
    def hook(_: nn.Module, __: Any, output: Any) -> Any:
        if isinstance(output, tuple):
            return (value.clone(), *output[1:])
        return value.clone().view(output.shape)

    return hook


def _with_block(start: int, value: Tensor) -> Callable[..., Tensor]:
    def hook(_: nn.Module, __: Sequence[Tensor], output: Tensor) -> Tensor:
        found = output.clone()
        found[..., start : start + value.shape[-1]] = value
        return found

    return hook
