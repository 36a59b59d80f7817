"""Many interventions on one recorded run, computing only what they can change: their causal cones.

1. an intervention starts from the recorded residual entering the first layer that it edits;
2. where that layer's input is unchanged, its attention is not run: the recorded z stand in for it;
3. only positions from the first changed one to the last read one are computed; earlier keys and values are recorded;
4. interventions with the same cone ride in one batch, in portions that fit a memory budget; where those are few, the
   ones that begin in a later layer join on the way;
5. the last layer whose attention is run, and those behind it, are computed at the read positions only;
6. where all heads of a layer are written over, its attention is not run either.

Hugging Face's own layers do all the computing, with the attention function of the record (eager). Gradients pass
through to the edits' values, should a caller ask for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from workers.engine.anatomy import Loaded
from workers.engine.attending import PROJECTED
from workers.engine.edit import Edit, Site, fitted, place, read
from workers.engine.record import Record
from workers.engine.riding import first_layer
from workers.engine.suffix import Cone, Suffix

CPU_BUDGET = 160 * 2**20  # bytes of activations in flight; more makes no CPU faster
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
    for cone, members in _joined(base, fit, cones, budget_bytes):
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


def _joined(
    base: Record, fit: Sequence[Sequence[Edit]], cones: Mapping[Cone, list[int]], budget_bytes: int | None
) -> Iterator[tuple[Cone, list[int]]]:
    """Cones with their members; small ones that differ in their first layer only are one, from the earliest on."""
    together: dict[tuple[int, int], list[Cone]] = {}
    for cone, members in cones.items():
        small = 2 * len(members) * len(base.tokens) <= _rows(base, cone, budget_bytes)
        if small and _may_join(base.loaded, cone, [edit for number in members for edit in fit[number]]):
            together.setdefault((cone.start, cone.end), []).append(cone)
        else:
            yield cone, members
    for (start, end), some in together.items():
        some = sorted(some, key=lambda cone: cone.layer)
        # a head's own layer is attended anew here, which costs less than small batches do
        whole = Cone(some[0].layer, start, end, attends=True) if len(some) > 1 else some[0]
        yield whole, [number for cone in some for number in cones[cone]]


def _may_join(loaded: Loaded, cone: Cone, edits: Sequence[Edit]) -> bool:
    """Not where attention is taken apart, or where there is nothing to run."""
    apart = any(place(loaded, edit.component).site in (*PROJECTED, "pattern") for edit in edits)
    return cone.layer < loaded.layers and not cone.given and not apart


def replay_changes(base: Record, interventions: Sequence[Sequence[Edit]], reads: Tensor) -> Replayed:
    """As `replay`, but what writes only what is there anyway is not run: the record holds the answer."""
    reads = _checked(reads, base)
    changed = [number for number, edits in enumerate(interventions) if any(_changes(base, edit) for edit in edits)]
    done = replay(base, [interventions[number] for number in changed], reads)
    prompts = torch.arange(len(reads), device=reads.device)[:, None]
    resid = base.resid[-1][prompts, reads].repeat(len(interventions), 1, 1, 1)
    wrote = torch.ones(len(interventions), dtype=torch.bool)
    resid[changed], wrote[changed] = done.resid, done.wrote
    return Replayed(resid, wrote)


def _changes(base: Record, edit: Edit) -> bool:
    """Whether an edit can change anything; where it costs computing to know, it is taken to."""
    edit = fitted(base, [edit])[0]
    if place(base.loaded, edit.component).site not in KEPT:
        return True
    old = read(base, edit.component, edit.at)
    return not torch.equal(edit.over(old, edit.value), old)


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
    first = first_layer(loaded, edits)
    attends = any(where.layer == first and where.site in ATTENDING for where in places)
    if not loaded.causal:
        return Cone(first, 0, length, attends)
    starts = [start for edit in edits if (start := first_changed(base, edit)) is not None]
    # a pattern given for every key may, unlike the model's own, look ahead
    ahead = any(where.site == "pattern" for where in places)
    last = max([int(reads.max()), *(int(edit.at.max()) for edit in edits if edit.at is not None)])
    start = min([last, *starts]) if starts else 0
    return Cone(first, start, length if ahead else last + 1, attends, _given(loaded, edits))


def _given(loaded: Loaded, edits: Sequence[Edit]) -> frozenset[int]:
    """Layers of which every head's z, or the attention's output, is replaced at every position."""
    whole: dict[int, int] = {}
    within: set[int] = set()
    for edit in edits:
        where = place(loaded, edit.component)
        if where.site in (*PROJECTED, "pattern"):
            within.add(where.layer)
        if edit.at is None and edit.keeps == "nothing" and where.site in ("z", "attn"):
            heads = 1 if where.site == "z" else loaded.heads
            whole[where.layer] = whole.get(where.layer, 0) + heads
    return frozenset(layer for layer, heads in whole.items() if heads >= loaded.heads) - within


def first_changed(base: Record, edit: Edit) -> int | None:
    """The first position where an edit can differ from the run; None if it repeats the run's own values everywhere."""
    if edit.at is not None:
        return int(edit.at.min())
    if place(base.loaded, edit.component).site not in KEPT:
        return 0
    old = read(base, edit.component, None)
    differs = (edit.over(old, edit.value) != old).any(dim=-1).any(dim=0)  # (pos,)
    return int(differs.int().argmax()) if differs.any() else None


def portions(base: Record, cone: Cone, members: int, budget_bytes: int | None) -> Iterator[tuple[slice, list[slice]]]:
    """How a cone's interventions, and if need be the prompts, are portioned to the budget."""
    batch = base.tokens.shape[0]
    rows = _rows(base, cone, budget_bytes)
    most, prompts = max(1, rows // batch), min(batch, rows)
    together = -(-members // -(-members // most))  # portions of one size: a small one computes no faster
    for start in range(0, members, together):
        yield slice(start, start + together), [slice(at, at + prompts) for at in range(0, batch, prompts)]


def _rows(base: Record, cone: Cone, budget_bytes: int | None) -> int:
    """How many prompts of interventions fit the budget."""
    return max(1, (budget_bytes or _budget(base.loaded.device)) // _row_bytes(base, cone))


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
