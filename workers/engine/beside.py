"""A run beside a recorded one: of prompts that begin alike, only what follows the first difference is computed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from workers.engine.anatomy import Loaded
from workers.engine.attending import Reached, leave_with_input
from workers.engine.record import KeyValuePrefix, LayerCall, Record, Spy, attached, record


@torch.no_grad()
def record_beside(base: Record, tokens: Tensor) -> Record:
    """As `record` of tokens (batch, pos). What stands before the first token in which any prompt differs is the base's,
    to the bit; behind it Hugging Face's own layers are called as they were for the base, on its keys and values.
    """
    loaded, tokens = base.loaded, tokens.to(base.tokens.device)
    start, entered = _first_difference(base, tokens), _entered(loaded, tokens)
    if start == 0 or not _same_mask(entered.calls[0], base.calls[0]):
        return record(loaded, tokens)
    length, spy, prefixes = tokens.shape[1], Spy(loaded), list[KeyValuePrefix]()
    resid = entered.resid[0][:, start:]
    positions = torch.arange(start, length, device=tokens.device)[None]
    with attached(*spy.hooks()):
        for layer, call in enumerate(base.calls):
            prefixes.append(KeyValuePrefix(base.k[layer][:, :, :start], base.v[layer][:, :, :start]))
            resid = call.run(resid, positions, length, prefixes[-1])

    def joined(before: Sequence[Tensor], behind: Sequence[Tensor]) -> tuple[Tensor, ...]:
        both = zip(before, behind, strict=True)
        return tuple(
            torch.cat([one[:, :start], other.view(*other.shape[:2], *one.shape[2:])], 1) for one, other in both
        )

    return Record(
        loaded=loaded,
        tokens=tokens,
        resid=joined(base.resid, [*spy.resid, resid]),
        z=joined(base.z, spy.z),
        attn_out=joined(base.attn_out, spy.attn_out),
        mlp_out=tuple(
            None if one is None else torch.cat([one[:, :start], spy.mlp_out[layer]], 1)
            for layer, one in enumerate(base.mlp_out)
        ),
        k=tuple(prefix.seen[0] for prefix in prefixes),
        v=tuple(prefix.seen[1] for prefix in prefixes),
        calls=base.calls,
    )


def _first_difference(base: Record, tokens: Tensor) -> int:
    """0 where nothing can be taken over: other lengths, a model that looks ahead, or nothing that differs."""
    if tokens.shape != base.tokens.shape or not base.loaded.causal:
        return 0
    differs = (tokens != base.tokens).any(0)
    return int(differs.int().argmax()) if differs.any() else 0


def _entered(loaded: Loaded, tokens: Tensor) -> Spy:
    """What enters the first layer, and how it is called."""
    spy, first = Spy(loaded), loaded.layer(0)
    with attached(
        first.register_forward_pre_hook(spy.see_call, with_kwargs=True),
        first.register_forward_pre_hook(leave_with_input),
    ):
        try:
            loaded.model.base_model(input_ids=tokens, use_cache=False)
        except Reached:
            return spy
    raise RuntimeError(f"this {loaded.family} did not reach its first layer")


def _same_mask(one: LayerCall, other: LayerCall) -> bool:
    """False where padding, say, hides other positions than in the base."""
    mask, base_mask = (call.arguments.get("attention_mask") for call in (one, other))
    if mask is None or base_mask is None:
        return mask is base_mask
    return torch.equal(mask, base_mask)
