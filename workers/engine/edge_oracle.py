"""The slow truth about edges: plain hooks on the model's own whole forward pass, one receiver and step at a time.

A receiver reads a copy of the residual of its own, to which a share of the sender's write is added: its layer is called
a second time on that copy, and what the receiver alone makes of it is put in the place of what it made of the stream.
The derivative with respect to the share is the score. It has no code in common with `edge_scores`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from workers.engine.anatomy import Loaded
from workers.engine.answers import AnswerTable
from workers.engine.attending import Reached, forward_of, leave_with_input
from workers.engine.documents.components import Component
from workers.engine.metrics import METRICS
from workers.engine.record import attached

Places = Sequence[tuple[Component, Tensor | None]]


@dataclass(frozen=True, eq=False)
class EdgeOracle:
    """source, base: tokens (batch, pos). answers: of these prompts."""

    loaded: Loaded
    source: Tensor
    base: Tensor
    answers: AnswerTable
    metric: str
    _writes: dict[str, Tensor] = field(default_factory=dict, repr=False)

    def slope(self, senders: Places, receivers: Places, shares: Sequence[float]) -> Tensor:
        """(batch,): summed over all edges, averaged over the shares."""
        found = torch.zeros(len(self.base), device=self.loaded.device)
        for sender, sent_at in senders:
            for receiver, read_at in receivers:
                if not self._hears(receiver, sender):
                    continue
                write = _only(_only(self._write(sender), sent_at), read_at)
                found = found + sum(self._slope(write, receiver, share) for share in shares) / len(shares)
        return found

    def _hears(self, receiver: Component, sender: Component) -> bool:
        """Whether the sender has written when the receiver reads."""
        if receiver.kind == "logits" or sender.kind == "embed":
            return True
        assert sender.layer is not None and receiver.layer is not None
        if sender.layer != receiver.layer:
            return sender.layer < receiver.layer
        return sender.kind != "mlp" and receiver.kind == "mlp" and self._in_turn(receiver.layer)

    def _in_turn(self, layer: int) -> bool:
        """Whether a layer's MLP answers to its attention; not where they run side by side."""
        attention, mlp = self.loaded.attention(layer), self.loaded.mlp(layer)
        assert mlp is not None
        silent = torch.zeros_like(self._seen(self.base, attention, "output"))
        with attached(attention.register_forward_hook(_gives(silent))):
            changed = self._seen(self.base, mlp, "input")
        return not torch.equal(changed, self._seen(self.base, mlp, "input"))

    def _slope(self, write: Tensor, receiver: Component, share: float) -> Tensor:
        amount = torch.zeros(len(self.base), device=self.loaded.device, requires_grad=True)
        added = amount[:, None, None] * write
        start, end = (self._seen(tokens, self.loaded.layer(0), "input") for tokens in (self.base, self.source))
        between = start + share * (end - start)
        with torch.enable_grad(), ExitStack() as hooks:
            first = self.loaded.layer(0).register_forward_pre_hook(
                lambda _, args, named: ((between, *args[1:]), named), with_kwargs=True
            )
            hooks.callback(first.remove)
            self._read_apart(receiver, added, hooks)
            whole = self.loaded.model(input_ids=self.base, use_cache=False).logits
            rows = torch.arange(len(self.base), device=self.loaded.device)[:, None]
            value = METRICS[self.metric].value(whole[rows, self.answers.reads], self.answers)
            (slope,) = torch.autograd.grad(value.sum(), amount)
        return slope

    def _write(self, sender: Component) -> Tensor:
        """(batch, pos, d_model): source less base."""
        if sender.name not in self._writes:
            self._writes[sender.name] = self._written(sender.without_position())
        return self._writes[sender.name]

    @torch.no_grad()
    def _written(self, sender: Component) -> Tensor:
        loaded, layer = self.loaded, sender.layer or 0
        match sender.kind:
            case "embed":
                return self._change(loaded.layer(0), "input")
            case "mlp":
                mlp = loaded.mlp(layer)
                assert mlp is not None
                return self._in_stream(layer, mlp, self._change(mlp, "output"))
            case "attn":
                return self._in_stream(layer, loaded.attention(layer), self._change(loaded.attention(layer), "output"))
            case _:
                assert sender.head is not None
                projection = loaded.output_projection(layer)
                change = self._change(projection, "input")
                others = torch.arange(change.shape[-1], device=change.device) // loaded.d_head != sender.head
                only = change.masked_fill(others, 0.0)
                written = projection(only) - projection(torch.zeros_like(only))
                return self._in_stream(layer, loaded.attention(layer), written)

    def _change(self, module: nn.Module, side: str) -> Tensor:
        return self._seen(self.source, module, side) - self._seen(self.base, module, side)

    @torch.no_grad()
    def _seen(self, tokens: Tensor, module: nn.Module, side: str) -> Tensor:
        seen: list[Tensor] = []

        def hook(_: nn.Module, args: Any, named: Any, output: Any) -> None:
            of_output = output[0] if isinstance(output, tuple) else output
            found = of_output if side == "output" else args[0] if args else named["hidden_states"]
            seen.append(found.clone())  # Falcon adds to its MLP's output in place

        handle = module.register_forward_hook(hook, with_kwargs=True)
        self.loaded.model(input_ids=tokens, use_cache=False)
        handle.remove()
        return seen[0]

    def _in_stream(self, layer: int, module: nn.Module, change: Tensor) -> Tensor:
        """How the layer's output answers, at first, to a change of the module's, if nothing else in the layer does."""
        attention, mlp = self.loaded.attention(layer), self.loaded.mlp(layer)
        held = {one: self._seen(self.base, one, "output") for one in (attention, mlp) if one is not None}

        def leaving(share: Tensor) -> Tensor:
            given = {**held, module: held[module] + share * change}
            with ExitStack() as hooks:
                for one, value in given.items():
                    hooks.callback(one.register_forward_hook(_gives(value)).remove)
                seen: list[Any] = []
                spy = self.loaded.layer(layer).register_forward_hook(lambda _, __, output: seen.append(output))
                hooks.callback(spy.remove)
                self.loaded.model(input_ids=self.base, use_cache=False)
            output: Tensor = seen[0][0] if isinstance(seen[0], tuple) else seen[0]
            return output

        with torch.enable_grad():
            none = torch.zeros((), device=change.device)
            _, found = torch.autograd.functional.jvp(leaving, none, torch.ones_like(none))
        slope: Tensor = found.detach()
        return slope

    def _read_apart(self, receiver: Component, added: Tensor, hooks: ExitStack) -> None:
        """Hooks that let the receiver alone read the stream with `added` (batch, pos, d_model) in it."""
        if receiver.kind == "logits":
            norm = self.loaded.final_norm()
            hooks.callback(norm.register_forward_pre_hook(lambda _, inputs: (inputs[0] + added,)).remove)
            return
        assert receiver.layer is not None
        copy = _Copy(self.loaded.layer(receiver.layer), added)
        hooks.callback(copy.layer.register_forward_pre_hook(copy.note, with_kwargs=True).remove)
        if receiver.kind == "mlp":
            self._mlp_reads(receiver.layer, copy, hooks)
        else:
            self._head_reads(receiver, copy, hooks)

    def _mlp_reads(self, layer: int, copy: _Copy, hooks: ExitStack) -> None:
        mlp, attention = self.loaded.mlp(layer), self.loaded.attention(layer)
        assert mlp is not None
        attended: list[Any] = []
        spy = attention.register_forward_hook(lambda _, __, output: None if copy.open else attended.append(output))
        hooks.callback(spy.remove)

        def reads(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
            if copy.open:
                return None
            stand_in = attention.register_forward_hook(lambda _, __, output: attended[0] if attended else output)
            leave = mlp.register_forward_pre_hook(leave_with_input)
            return (copy.run(stand_in.remove, leave.remove), *inputs[1:])

        hooks.callback(mlp.register_forward_pre_hook(reads).remove)

    def _head_reads(self, receiver: Component, copy: _Copy, hooks: ExitStack) -> None:
        """The head's z is taken from an attention of its own, in which its q, k or v is the copy's."""
        loaded, layer, part, head = self.loaded, receiver.layer, receiver.part, receiver.head
        assert layer is not None and head is not None and part in ("q", "k", "v")
        attention, output, own = (
            loaded.attention(layer),
            loaded.output_projection(layer),
            loaded.attention(layer).forward,
        )
        module, block = loaded.architecture.projection(attention, part, head)

        def block_of(new: Tensor, old: Tensor, number: int) -> Tensor:
            blocks = list(old.split(loaded.d_head, dim=-1))
            blocks[number] = new.split(loaded.d_head, dim=-1)[number]
            return torch.cat(blocks, dim=-1)

        def forward(*args: Any, **named: Any) -> Any:
            if copy.open:
                return own(*args, **named)
            other = copy.run(module.register_forward_hook(_leave_with_output).remove)
            alone: list[Tensor] = []
            reads = module.register_forward_hook(lambda _, __, projected: block_of(other, projected, block))
            with attached(reads, output.register_forward_pre_hook(lambda _, inputs: alone.append(inputs[0]))):
                own(*args, **named)
            with attached(output.register_forward_pre_hook(lambda _, inputs: (block_of(alone[0], inputs[0], head),))):
                return own(*args, **named)

        hooks.enter_context(forward_of(attention, forward))


@dataclass(eq=False)
class _Copy:
    """A second call of a layer, in the midst of its first, on the residual with something added to it."""

    layer: nn.Module
    added: Tensor
    open: bool = False
    call: tuple[tuple[Any, ...], dict[str, Any]] = ((), {})

    def note(self, _: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        if not self.open:
            self.call = args, named

    def run(self, *then: Callable[[], None]) -> Tensor:
        """What the call left with; `then` is done afterwards."""
        (resid, *args), named = self.call
        self.open = True
        try:
            self.layer(resid + self.added, *args, **named)
        except Reached as reached:
            return reached.found[0]
        finally:
            self.open = False
            for undo in then:
                undo()
        raise RuntimeError("the receiver was not reached")


def _leave_with_output(_: nn.Module, __: Any, output: Tensor) -> NoReturn:
    raise Reached(output)


def _gives(value: Tensor) -> Callable[..., Any]:
    def hook(_: nn.Module, __: Any, output: Any) -> Any:
        return (value.clone(), *output[1:]) if isinstance(output, tuple) else value.clone()

    return hook


def _only(write: Tensor, at: Tensor | None) -> Tensor:
    """write (batch, pos, d), 0 at other positions than the prompt's own."""
    if at is None:
        return write
    return write * (torch.arange(write.shape[1], device=write.device) == at[:, None])[..., None]
