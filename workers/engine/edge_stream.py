"""The residual stream as each receiver of a circuit of edges reads it, gone through layer by layer.

What a receiver reads is the sum of every sender's ablated write and of what nothing writes (biases), and for each of
its edges of what the sender's live write has beyond the ablated one. Hugging Face's own modules do the computing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from workers.engine.anatomy import Loaded
from workers.engine.architectures import Adding
from workers.engine.attending import PROJECTED, Reached, forward_of, leave_with_input, leave_with_output
from workers.engine.documents.components import Component
from workers.engine.edge_gradients import LOGITS
from workers.engine.edit import CannotEdit
from workers.engine.record import KeyValuePrefix, Record, attached

EMBED = Component("embed")
Values = Mapping[Component, Tensor]
"""By sender: a head's z (batch, pos, d_head), what an MLP gives or what enters layer 0 (batch, pos, d_model)."""
Senders = frozenset[Component]


def require_additive(loaded: Loaded) -> None:
    """Raises CannotEdit where the stream is not the sum of what is written to it."""
    probe = torch.linspace(-1, 1, loaded.d_model, dtype=loaded.model.dtype, device=loaded.device)[None, None]
    parts: tuple[Adding, ...] = ("attn", "mlp")
    for layer in range(loaded.layers):
        for part in parts if loaded.mlp(layer) is not None else parts[:1]:
            once = loaded.architecture.added(loaded.layer(layer), part, probe)
            twice = loaded.architecture.added(loaded.layer(layer), part, 2 * probe)
            if once is None or twice is None or not torch.allclose(twice, 2 * once, rtol=1e-2):
                raise CannotEdit(
                    f"layer {layer} has a norm between what its {part} gives and the residual stream, or on the "
                    "stream: no sender has a write of its own, so there are no edges to cut; name components instead"
                )


@dataclass(frozen=True, eq=False)
class Stream:
    """ablated: (batch, pos, d_model), the sum of all ablated writes so far. live: by sender that anything hears, what
    its live write has beyond the ablated one."""

    ablated: Tensor
    live: Values = field(default_factory=dict)

    def read(self, senders: Senders) -> Tensor:
        return sum((write for sender, write in self.live.items() if sender in senders), self.ablated)

    def then(self, ablated: Tensor, live: Values) -> Stream:
        return replace(self, ablated=self.ablated + ablated, live={**self.live, **live})


def final_of(base: Record, heard: Mapping[Component, Senders], ablated: Values) -> Tensor:
    """(batch, pos, d_model): what enters the final norm when each receiver hears these senders, all others ablated.

    base: a run on the prompts, of which the embeddings are taken and how layers were called.
    """
    speaking = frozenset(sender for senders in heard.values() for sender in senders)
    stream = Stream(ablated[EMBED], {EMBED: base.resid[0] - ablated[EMBED]} if EMBED in speaking else {})
    for layer in range(base.loaded.layers):
        own = Layer(base, layer, heard, speaking)
        attended = own.attended(stream, ablated)
        stream = attended if base.loaded.mlp(layer) is None else own.answered(stream, attended, ablated)
    return stream.read(heard.get(LOGITS, frozenset()))


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer, whose heads and MLP read for themselves. speaking: the senders that anything hears."""

    base: Record
    number: int
    heard: Mapping[Component, Senders]
    speaking: Senders

    @property
    def loaded(self) -> Loaded:
        return self.base.loaded

    def attended(self, stream: Stream, ablated: Values) -> Stream:
        """The stream with what the heads write."""
        loaded, W_O = self.loaded, self.loaded.W_O(self.number)
        heads = [Component("head", self.number, head) for head in range(loaded.heads)]
        silent = torch.cat([ablated[head] for head in heads], dim=-1)  # (batch, pos, heads * d_head)
        live = {
            head: self._added("attn", (z - ablated[head]) @ W_O[head.head or 0])
            for head, z in self._z(stream, [head for head in heads if head in self.speaking]).items()
        }
        return stream.then(self._added("attn", loaded.output_projection(self.number)(silent)), live)

    def answered(self, before: Stream, attended: Stream, ablated: Values) -> Stream:
        """The stream with what the MLP writes. before: what is read of it where MLP and attention run side by side."""
        mlp = Component("mlp", self.number)
        live: dict[Component, Tensor] = {}
        if mlp in self.speaking:
            seen = attended if self._in_turn() else before
            given = self._mlp_on(seen.read(self.heard.get(mlp, frozenset())))
            live[mlp] = self._added("mlp", given - ablated[mlp])
        return attended.then(self._added("mlp", ablated[mlp]), live)

    def _added(self, part: Adding, output: Tensor) -> Tensor:
        added = self.loaded.architecture.added(self.loaded.layer(self.number), part, output)
        assert added is not None, "require_additive refuses the family"
        return added

    def _z(self, stream: Stream, heads: Sequence[Component]) -> dict[Component, Tensor]:
        """Each head's z (batch, pos, d_head), of the q, k and v that it reads for itself."""
        loaded, found = self.loaded, dict[Component, Tensor]()
        projected = self._projected(stream, heads)
        sharing = loaded.heads // loaded.kv_heads
        for slot in range(sharing):
            # of heads that share keys and values one at a time, so that each has those that it alone reads
            some = [head for head in heads if (head.head or 0) % sharing == slot]
            if some:
                z = torch.unflatten(self._attention_of(stream, some, projected), -1, (loaded.heads, -1))
                found |= {head: z[:, :, head.head or 0] for head in some}
        return found

    def _projected(self, stream: Stream, heads: Sequence[Component]) -> Values:
        """q, k and v of each head: (batch, pos, d_head)."""
        alike: dict[Senders, list[Component]] = {}
        for receiver in (replace(head, part=part) for head in heads for part in PROJECTED):
            alike.setdefault(self.heard.get(receiver, frozenset()), []).append(receiver)
        found: dict[Component, Tensor] = {}
        for senders, receivers in alike.items():
            seen: dict[nn.Module, Tensor] = {}
            spies = [module.register_forward_hook(_sees(seen)) for module in self._modules(receivers)]
            output = self.loaded.output_projection(self.number)
            self._call(stream.read(senders), *spies, output.register_forward_pre_hook(leave_with_input))
            for receiver in receivers:
                module, block = self._block(receiver)
                found[receiver] = torch.unflatten(seen[module], -1, (-1, self.loaded.d_head))[:, :, block]
        return found

    def _attention_of(self, stream: Stream, heads: Sequence[Component], projected: Values) -> Tensor:
        """z (batch, pos, heads * d_head) when these heads' q, k and v are as projected."""
        blocks: dict[nn.Module, dict[int, Tensor]] = {}
        for receiver in (replace(head, part=part) for head in heads for part in PROJECTED):
            module, block = self._block(receiver)
            blocks.setdefault(module, {})[block] = projected[receiver]
        writes = [module.register_forward_hook(_gives(values, self.loaded.d_head)) for module, values in blocks.items()]
        output = self.loaded.output_projection(self.number)
        return self._call(stream.ablated, *writes, output.register_forward_pre_hook(leave_with_input))

    def _mlp_on(self, resid: Tensor) -> Tensor:
        """What the MLP gives when it reads `resid` (batch, pos, d_model)."""
        mlp = self.loaded.mlp(self.number)
        assert mlp is not None
        given = self._beside(torch.zeros_like(resid), resid, mlp.register_forward_hook(leave_with_output))
        return given.view(resid.shape)  # OPT joins prompts and positions

    def _in_turn(self) -> bool:
        """Whether the MLP reads what the attention of its layer wrote; not where they run side by side."""
        mlp, resid = self.loaded.mlp(self.number), self.base.resid[self.number]
        assert mlp is not None
        uneven = torch.linspace(-1, 1, resid.shape[-1], dtype=resid.dtype, device=resid.device).expand_as(resid)
        without, changed = (
            self._beside(attention, resid, mlp.register_forward_pre_hook(leave_with_input))
            for attention in (torch.zeros_like(resid), uneven)
        )
        return not torch.equal(without, changed)

    def _beside(self, attention_gives: Tensor, resid: Tensor, *hooks: RemovableHandle) -> Tensor:
        """What a hook leaves the layer with, its attention giving a tensor (batch, pos, d_model)."""
        with forward_of(self.loaded.attention(self.number), lambda *_, **__: (attention_gives, None)):
            return self._call(resid, *hooks)

    def _call(self, resid: Tensor, *hooks: RemovableHandle) -> Tensor:
        """What one of the hooks leaves the layer with, called on resid (batch, pos, d_model)."""
        base, length = self.base, resid.shape[1]
        nothing = KeyValuePrefix(base.k[self.number][:, :, :0], base.v[self.number][:, :, :0])
        everywhere = torch.arange(length, device=resid.device)[None]
        with attached(*hooks):
            try:
                base.calls[self.number].run(resid, everywhere, length, nothing)
            except Reached as reached:
                return reached.found[0]
        raise RuntimeError(f"layer {self.number} of this {self.loaded.family} did not reach what was asked of it")

    def _modules(self, receivers: Iterable[Component]) -> list[nn.Module]:
        return list(dict.fromkeys(self._block(receiver)[0] for receiver in receivers))

    def _block(self, receiver: Component) -> tuple[nn.Module, int]:
        part, head = receiver.part, receiver.head
        assert part in PROJECTED and head is not None
        return self.loaded.architecture.projection(self.loaded.attention(self.number), part, head)


def _sees(seen: dict[nn.Module, Tensor]) -> Any:
    def hook(module: nn.Module, _: Any, output: Tensor) -> None:
        seen[module] = output

    return hook


def _gives(values: Mapping[int, Tensor], width: int) -> Any:
    """A hook that puts values (batch, pos, width) in some blocks of an output."""

    def hook(_: nn.Module, __: Any, output: Tensor) -> Tensor:
        blocks = torch.unflatten(output, -1, (-1, width)).unbind(2)
        return torch.cat([values.get(number, block) for number, block in enumerate(blocks)], dim=-1)

    return hook
