"""An Edit: a component, where in the prompt, and the value that takes the place of what the model computed there.

Or is added to it, or to what is left of it once a direction is projected out (`Edit.keeps`).

What each component means as a tensor of a run, for `read` and for `Edit.value` alike:

| component | tensor | d |
|---|---|---|
| `9.9` | z, the head's output before the output projection | d_head |
| `9.9.q`, `9.9.k`, `9.9.v` | what the projections give, before any rotation, seen by that query head | d_head |
| `9.9.pattern` | the attention weights of a query position, over all key positions | pos |
| `attn.4`, `mlp.3` | the module's output, before it is added to the residual stream | d_model |
| `mlp.3.512` | one hidden activation, the down-projection's input | 1 |
| `resid.5` | the residual stream entering layer 5; `resid.<layers>` enters the final norm | d_model |
| `embed` | what enters layer 0: the same place as `resid.0`, learned positions included | d_model |

Where query heads share keys and values, `9.4.k` is their common key as head 4 alone sees it: the heads beside it keep
theirs. Editing it for all of them is one edit for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, assert_never, cast

import torch
from torch import Tensor

from workers.engine.anatomy import Loaded
from workers.engine.documents.components import Component
from workers.engine.record import Record

Site = Literal["resid", "q", "k", "v", "pattern", "z", "attn", "neuron", "mlp"]


SUMMED: tuple[Site, ...] = ("resid", "z", "attn", "neuron", "mlp")
"""Sites of which an edit may keep something: what is linear in them is what later layers read."""


LENGTH_ERROR = 1e-3  # of a direction's length 1; what half precision leaves


class CannotEdit(ValueError):
    """An edit that the replay cannot make on this model; the message says why and what to ask for instead."""


@dataclass(frozen=True, eq=False)
class Across:
    """Everything but what lies along `direction` (d,), which has length 1."""

    direction: Tensor


Keeps = Literal["nothing", "all"] | Across
"""What an edit leaves of what it finds, which earlier edits may have changed."""


@dataclass(frozen=True, eq=False)
class Edit:
    """`value` replaces what the model computes at `component`; absolute, whatever earlier edits did to it.

    Where the edit `keeps` all, or all across a direction, `value` is added to that. `at` is (batch,), one token index
    for each prompt, with value (batch, d); None means every position, with value (batch, pos, d). The component's own
    position is ignored.
    """

    component: Component
    at: Tensor | None
    value: Tensor
    keeps: Keeps = "nothing"

    def over(self, old: Tensor, value: Tensor) -> Tensor:
        """What stands there after the edit, where `old` (…, d) stood; value: that of the edit, at these places."""
        match self.keeps:
            case "nothing":
                return value
            case "all":
                return old + value
            case Across(direction):
                along = direction.to(old)
                return old - (old @ along)[..., None] * along + value
            case _:
                assert_never(self.keeps)

    def prompts(self, some: slice) -> Edit:
        return replace(self, at=None if self.at is None else self.at[some], value=self.value[some])


@dataclass(frozen=True)
class Place:
    """Where in the model a component is written: a site of a layer, and a head or neuron of it, else 0."""

    layer: int
    site: Site
    unit: int


def place(loaded: Loaded, component: Component) -> Place:
    """Where a component is written; raises CannotEdit where it is not, or not in this model."""
    layer, unit = _layer(loaded, component), 0
    if component.kind == "head":
        unit = _unit(component, component.head, loaded.heads, "heads")
    if component.kind == "neuron":
        unit = _unit(component, component.neuron, loaded.d_mlp or 0, "neurons")
    if component.kind in ("mlp", "neuron") and loaded.mlp(layer) is None:
        raise CannotEdit(f"{component.name}: layer {layer} of this model has no MLP")
    return Place(layer, _site(component), unit)


def _site(component: Component) -> Site:
    match component.kind:
        case "head":
            return component.part or "z"
        case "embed" | "resid":
            return "resid"
        case "attn" | "mlp" | "neuron":
            return cast(Site, component.kind)
        case "entry":
            raise CannotEdit(f"{component.name}: a single attention weight cannot be written; edit the head's pattern")
        case "logits":
            raise CannotEdit("logits are what an edit is measured by; they cannot be edited")


def _layer(loaded: Loaded, component: Component) -> int:
    if component.kind in ("embed", "logits"):
        return 0
    last = loaded.layers if component.kind == "resid" else loaded.layers - 1
    if component.layer is None:
        raise CannotEdit(f"{component.name} means several components; give one edit for each")
    if not 0 <= component.layer <= last:
        raise CannotEdit(f"{component.name}: this model has no layer {component.layer}; write 0 to {last}")
    return component.layer


def _unit(component: Component, unit: int | None, count: int, what: str) -> int:
    if unit is None:
        raise CannotEdit(f"{component.name} means several components; give one edit for each")
    if not 0 <= unit < count:
        raise CannotEdit(f"{component.name}: layer {component.layer} has {count} {what}; write 0 to {count - 1}")
    return unit


def read(record: Record, component: Component, at: Tensor | None) -> Tensor:
    """The component's value in a run: (batch, d) at token indices `at` (batch,), else (batch, pos, d).

    Neurons, q, k, v and patterns are not kept by a record: their layer is run again for each read.
    """
    value = _everywhere(record, place(record.loaded, component))
    if at is None:
        return value
    at = at.to(value.device)
    return value[torch.arange(len(at), device=value.device), at]


def _everywhere(record: Record, where: Place) -> Tensor:
    layer, unit = where.layer, where.unit
    match where.site:
        case "z":
            return record.z[layer][:, :, unit]
        case "q" | "k" | "v":
            return record.projected(layer, where.site, unit)
        case "pattern":
            return record.pattern(layer)[:, unit]
        case "attn":
            return record.attn_out[layer]
        case "mlp":
            return cast(Tensor, record.mlp_out[layer])
        case "neuron":
            return record.neurons(layer)[:, :, unit, None]
        case "resid":
            return record.resid[layer]


def fitted(record: Record, edits: Sequence[Edit]) -> tuple[Edit, ...]:
    """One intervention's edits on the record's device, each proved to fit the model and no two to write one place."""
    fit = tuple(_fitted(record, edit) for edit in edits)
    taken: dict[Place, list[Edit]] = {}
    for edit in fit:
        where = place(record.loaded, edit.component)
        if any(_overlap(edit, other) for other in taken.get(where, [])):
            raise CannotEdit(
                f"{edit.component.name} is edited twice at one position; which value counts is not defined"
            )
        taken.setdefault(where, []).append(edit)
    for where in taken:
        if where.site == "pattern" and replace(where, site="v") in taken:
            raise CannotEdit(
                f"{where.layer}.{where.unit}: pattern and v are edited together; edit the head's z instead"
            )
    return fit


def _fitted(record: Record, edit: Edit) -> Edit:
    loaded, (batch, length), name = record.loaded, record.tokens.shape, edit.component.name
    width = _width(loaded, place(loaded, edit.component).site, length)
    shape = (batch, length, width) if edit.at is None else (batch, width)
    if tuple(edit.value.shape) != shape:
        raise CannotEdit(f"{name}: the value is {tuple(edit.value.shape)}, it must be {shape}")
    if edit.at is not None and (tuple(edit.at.shape) != (batch,) or edit.at.min() < 0 or edit.at.max() >= length):
        raise CannotEdit(f"{name}: `at` must give each of the {batch} prompts a token index from 0 to {length - 1}")
    at = None if edit.at is None else edit.at.to(record.tokens.device)
    return replace(edit, at=at, value=edit.value.to(record.resid[0]), keeps=_kept(record, edit, width))


def _kept(record: Record, edit: Edit, width: int) -> Keeps:
    name = edit.component.name
    if edit.keeps != "nothing" and place(record.loaded, edit.component).site not in SUMMED:
        raise CannotEdit(f"{name}: its value can only be replaced; add to, or project, z, attn, mlp or resid instead")
    if not isinstance(edit.keeps, Across):
        return edit.keeps
    direction = edit.keeps.direction
    if tuple(direction.shape) != (width,) or abs(float(direction.norm()) - 1.0) > LENGTH_ERROR:
        raise CannotEdit(f"{name}: the direction projected out must be ({width},) and of length 1")
    return Across(direction.to(record.resid[0]))


def _width(loaded: Loaded, site: Site, length: int) -> int:
    match site:
        case "z" | "q" | "k" | "v":
            return loaded.d_head
        case "pattern":
            return length
        case "neuron":
            return 1
        case "resid" | "attn" | "mlp":
            return loaded.d_model


def _overlap(one: Edit, other: Edit) -> bool:
    if one.at is None or other.at is None:
        return True
    return bool((one.at == other.at).any())
