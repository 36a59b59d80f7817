"""Many interventions on one recorded run, computing only what they can change: their causal cones.

1. an intervention starts from the recorded residual entering the first layer that it edits;
2. where that layer's input is unchanged, its attention is not run: the recorded z stand in for it;
3. only positions from the first changed one to the last read one are computed; earlier keys and values are recorded;
4. interventions with the same cone ride in one batch, in portions that fit a memory budget;
5. the last layer is computed at the read positions only.

Hugging Face's own layers do all the computing, with the attention function of the record (eager). Gradients pass
through to the edits' values, should a caller ask for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from workers.engine.anatomy import Loaded
from workers.engine.edit import Edit, Site, fitted, place, read
from workers.engine.record import Record
from workers.engine.suffix import Cone, Suffix

CPU_BUDGET = 96 * 2**20  # bytes of activations in flight; more than the caches hold only makes a CPU slower
KEPT: tuple[Site, ...] = ("resid", "z", "attn", "mlp")  # what a record holds, so that comparing costs no computing
ATTENDING: tuple[Site, ...] = ("resid", "q", "k", "v", "pattern")  # edits after which a layer's attention is run


@dataclass(frozen=True)
class Replayed:
    resid: Tensor  # (intervention, batch, n_reads, d_model) entering the final norm at the read positions
    wrote: Tensor  # (intervention,) bool: every one of its edits was written, in every prompt


def replay(
    base: Record, interventions: Sequence[Sequence[Edit]], reads: Tensor, budget_bytes: int | None = None
) -> Replayed:
    """Run each intervention (edits made together) on every prompt; reads (batch, n_reads) are token indices."""
    reads = _checked(reads, base)
    fit = [fitted(base, edits) for edits in interventions]
    cones: dict[Cone, list[int]] = {}
    for number, edits in enumerate(fit):
        cones.setdefault(cone_of(base, edits, reads), []).append(number)
    done: dict[int, tuple[Tensor, bool]] = {}
    for cone, members in cones.items():
        for riders, prompts in portions(base, cone, len(members), budget_bytes):
            numbers = members[riders]
            parts = [_ride(base, [fit[number] for number in numbers], cone, reads, some) for some in prompts]
            resid = torch.cat([part.resid for part in parts], dim=1)
            wrote = torch.stack([part.wrote for part in parts]).all(dim=0)
            done |= {number: (resid[i], bool(wrote[i])) for i, number in enumerate(numbers)}
    if not done:
        empty = base.resid[-1].new_empty(0, *reads.shape, base.loaded.d_model)
        return Replayed(empty, torch.empty(0, dtype=torch.bool))
    resid = torch.stack([done[number][0] for number in range(len(fit))])
    return Replayed(resid, torch.tensor([done[number][1] for number in range(len(fit))]))


def logits(loaded: Loaded, resid: Tensor, rows: Tensor | None = None) -> Tensor:
    """Logits of final residuals (..., d_model): the whole vocabulary, or the token ids `rows` (..., n), broadcast."""
    normed = loaded.final_norm()(resid)
    weight, bias = loaded.architecture.unembedding(loaded.model)
    if rows is None:
        raw = nn.functional.linear(normed, weight, bias)
    else:
        rows = rows.to(weight.device)
        raw = (weight[rows] @ normed[..., None])[..., 0]  # (..., n, d_model) @ (..., d_model, 1)
        raw = raw if bias is None else raw + bias[rows]
    return loaded.architecture.finish_logits(loaded.model, raw)


def cone_of(base: Record, edits: Sequence[Edit], reads: Tensor) -> Cone:
    """The smallest block of layers and positions that holds every change an intervention can make to the reads."""
    loaded, length = base.loaded, base.tokens.shape[1]
    places = [place(loaded, edit.component) for edit in edits]
    first = min((where.layer for where in places), default=loaded.layers)
    attends = any(where.layer == first and where.site in ATTENDING for where in places)
    if not loaded.architecture.CAUSAL:
        return Cone(first, 0, length, attends)
    starts = [start for edit in edits if (start := first_changed(base, edit)) is not None]
    # a pattern given for every key may, unlike the model's own, look ahead
    ahead = any(where.site == "pattern" for where in places)
    last = max([int(reads.max()), *(int(edit.at.max()) for edit in edits if edit.at is not None)])
    return Cone(first, min([last, *starts]) if starts else 0, length if ahead else last + 1, attends)


def first_changed(base: Record, edit: Edit) -> int | None:
    """The first position where an edit can differ from the run; None if it repeats the run's own values everywhere."""
    if edit.at is not None:
        return int(edit.at.min())
    if place(base.loaded, edit.component).site not in KEPT:
        return 0
    differs = (edit.value != read(base, edit.component, None)).any(dim=-1).any(dim=0)  # (pos,)
    return int(differs.int().argmax()) if differs.any() else None


def portions(base: Record, cone: Cone, members: int, budget_bytes: int | None) -> Iterator[tuple[slice, list[slice]]]:
    """How a cone's interventions, and if need be the prompts, are portioned to the budget."""
    batch = base.tokens.shape[0]
    rows = max(1, (budget_bytes or _budget(base.loaded.device)) // _row_bytes(base, cone))
    together, prompts = max(1, rows // batch), min(batch, rows)
    for start in range(0, members, together):
        yield slice(start, start + together), [slice(at, at + prompts) for at in range(0, batch, prompts)]


def _row_bytes(base: Record, cone: Cone) -> int:
    """About what one prompt of one intervention holds at once: residuals, MLP, heads, keys and values, patterns."""
    loaded, carried = base.loaded, cone.end - cone.start
    heads = loaded.heads * loaded.d_head
    each = 6 * loaded.d_model + 3 * (loaded.d_mlp or 0) + 4 * heads + 3 * loaded.heads * cone.end
    numbers = carried * each + 4 * cone.end * heads
    return max(1, numbers * base.resid[0].element_size())


def _budget(device: torch.device) -> int:
    return torch.cuda.mem_get_info(device)[0] // 3 if device.type == "cuda" else CPU_BUDGET


def _checked(reads: Tensor, base: Record) -> Tensor:
    batch, length = base.tokens.shape
    if reads.ndim != 2 or reads.shape[0] != batch or reads.numel() == 0 or reads.min() < 0 or reads.max() >= length:
        raise ValueError(f"reads must be (batch, n_reads) = ({batch}, …) token indices from 0 to {length - 1}")
    return reads.to(base.tokens.device)


def _ride(base: Record, interventions: Sequence[Sequence[Edit]], cone: Cone, reads: Tensor, some: slice) -> Replayed:
    cut = [[edit.prompts(some) for edit in edits] for edits in interventions]
    suffix = Suffix(base.prompts(some), cone, reads[some], cut)
    resid = suffix.run()
    wrote = [all((i, n) in suffix.writes.ledger for n in range(len(edits))) for i, edits in enumerate(cut)]
    return Replayed(torch.unflatten(resid, 0, (len(cut), -1)), torch.tensor(wrote))
