"""Directions of the residual stream, fitted: the difference of two means over prompts apart from those measured.

mean(x at a place | prompts of one kind) - mean(x at the place | prompts of another): Marks and Tegmark 2023 (arXiv
2310.06824), Arditi et al. 2024 (arXiv 2406.11717). And what heads write on average: Todd et al. 2023 (2310.15213).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import torch
from torch import Tensor

from workers.engine.ablating import given_edits
from workers.engine.anatomy import Loaded
from workers.engine.documents.components import Component, Position
from workers.engine.documents.spec import Spec
from workers.engine.edit import Across, Edit, Keeps, read
from workers.engine.fit import Fit, Population
from workers.engine.prompts import Prompt, Refused
from workers.engine.setting import ROUNDINGS, Effects, Setting, edit, index_of

VARIED = ("components", "contrast", "random")


@dataclass(frozen=True)
class Difference:
    """at: a component at a position. random: the number of a random direction that stands in for the difference."""

    at: Component
    plus: Population
    minus: Population
    random: int | None = None


def difference_of(at: Component, plus: object, minus: object, corruption: str | None, random: int | None) -> Difference:
    """As specs state it: prompts of their own under the name of their field, else the measured kind, or corrupted."""
    own = "prompts" if plus is None else "plus"
    other = Population(own, corruption) if minus is None else Population("minus")
    return Difference(at, Population(own), other, random)


def added(setting: Setting, place: Component, vector: Tensor) -> Edit:
    """vector (d,) added to what stands at a place, at its position or at all."""
    return _edit(setting, place, vector, "all")


def put(setting: Setting, place: Component, value: Tensor) -> Edit:
    """value (d,) in place of what stands there."""
    return _edit(setting, place, value, "nothing")


def projected_out(setting: Setting, place: Component, direction: Tensor, down_to: Population | None) -> Edit:
    """Nothing is left along a direction (d,), or what lies along it in the mean over a population, token by token."""
    along = unit(direction)
    if down_to is None:
        return _edit(setting, place, torch.zeros_like(along), Across(along))
    mean = setting.fit.mean(place, down_to, "per_position", setting.prompts).to(along)  # (batch, pos, d)
    return _edit(setting, place, (mean @ along)[..., None] * along, Across(along))


def edited(setting: Setting, specs: Sequence[Any], edits: Callable[[Setting, Any], list[Edit]]) -> Effects:
    """Each spec's edits made together, with what is given, in one base run. The specs differ in VARIED alone."""
    first = specs[0]
    assert all(_unvaried(spec) == _unvaried(first) for spec in specs)
    given = given_edits(setting, first.given)
    return setting.effects(setting.base(first), [[*given, *edits(setting, spec)] for spec in specs])


def _unvaried(spec: Spec) -> dict[str, Any]:
    return {name: value for name, value in spec if name not in VARIED}


def fitted(fit: Fit, difference: Difference) -> Tensor:
    """(d,), as long as the two means lie apart; raises Refused where they do not."""
    vector: Tensor = fit.once(difference, lambda: _fitted(fit, difference)).to(fit.loaded.device)
    return vector


def unit(vector: Tensor) -> Tensor:
    found: Tensor = vector / vector.norm()
    return found


def typical_length(fit: Fit, at: Component, population: Population) -> float:
    """The mean length of what a place computes on a population."""
    return float(values_at(fit, at, population).norm(dim=-1).mean())


def values_at(fit: Fit, at: Component, population: Population) -> Tensor:
    """(prompt, d), double, on the CPU: what a component computes at its position, on all prompts of a population."""
    values: Tensor = fit.once(("values", at, population), lambda: _values(fit, at, population))
    return values


def function_vector(fit: Fit, heads: Iterable[Component], shown: Population) -> Tensor:
    """(d_model,): the sum of what heads write, z W_O, with their mean z over prompts that show a task.

    Raises Refused where what a head gives is normed before it is added to the residual stream.
    """
    total = torch.zeros(fit.loaded.d_model, dtype=torch.float64)
    for head in heads:
        assert head.layer is not None and head.head is not None
        W_O = fit.loaded.W_O(head.layer)[head.head].double().cpu()  # (d_head, d_model)
        total = total + _in_stream(fit.loaded, head.layer, z_on_average(fit, head, shown).cpu() @ W_O)
    return total.to(fit.loaded.device)


def _in_stream(loaded: Loaded, layer: int, given: Tensor) -> Tensor:
    """given (d_model,), as the layer adds what its attention gives to the residual stream: as it is, or scaled."""

    def added(value: Tensor) -> Tensor:
        found = loaded.architecture.added(loaded.layer(layer), "attn", value.to(loaded.model.dtype).to(loaded.device))
        return torch.zeros_like(given) if found is None else found.to(given)

    once = added(given)
    if not torch.allclose(added(2 * given), 2 * once, rtol=1e-3) or not once.any():
        raise Refused(f"a norm follows the attention of this {loaded.family}: what heads write is no sum; patch them")
    return once


def z_on_average(fit: Fit, head: Component, shown: Population) -> Tensor:
    """(d_head,): a head's mean z at its position."""
    assert head.layer is not None and head.head is not None and head.position is not None
    return mean_z(fit, head.position, shown)[head.layer, head.head].to(fit.loaded.device)


def mean_z(fit: Fit, position: Position, population: Population) -> Tensor:
    """(layers, heads, d_head): what each head's z at a position is on average over a population."""
    mean: Tensor = fit.once(("mean z", position, population), lambda: _mean_z(fit, position, population))
    return mean


def _edit(setting: Setting, place: Component, value: Tensor, keeps: Keeps) -> Edit:
    """value (d,), or (batch, pos, d), in the model's own precision."""
    run = setting.clean
    everywhere = value.to(run.resid[0]).expand(*run.tokens.shape, -1)
    return replace(edit(place, setting.at(place), everywhere), keeps=keeps)


def _fitted(fit: Fit, difference: Difference) -> Tensor:
    plus, minus = (values_at(fit, difference.at, population) for population in (difference.plus, difference.minus))
    vector = plus.mean(0) - minus.mean(0)
    rounding = ROUNDINGS * torch.finfo(fit.loaded.model.dtype).eps * float(plus.abs().max())
    if float(vector.abs().max()) <= rounding:
        raise Refused(f"{difference.at} is alike in both kinds of prompts: there is no direction from one to the other")
    if difference.random is None:
        return vector
    drawn: Tensor = _random(plus, minus, f"{difference.at}\n{difference.random}") * vector.norm()
    return drawn


def _random(plus: Tensor, minus: Tensor, seed: str) -> Tensor:
    """(d,) of length 1, drawn as the values (prompt, d) vary among prompts of one kind.

    Directions drawn evenly from all d dimensions would be easy to beat: most of them are hardly used by the model.
    Where values of one kind do not vary (a kind is a single prompt), that is how they are drawn nevertheless.
    """
    generator = torch.Generator().manual_seed(int(sha256(seed.encode()).hexdigest()[:15], 16))
    varying = torch.cat([plus - plus.mean(0), minus - minus.mean(0)])  # (prompt, d)
    drawn = torch.randn(len(varying), generator=generator, dtype=varying.dtype) @ varying
    if float(drawn.norm()) <= 1e-6 * float(plus.norm(dim=-1).mean()):
        drawn = torch.randn(varying.shape[1], generator=generator, dtype=varying.dtype)
    return unit(drawn)


def _values(fit: Fit, at: Component, population: Population) -> Tensor:
    assert at.position is not None, f"{at} has no position"
    runs = fit.runs(population)
    return torch.cat([read(run, at, _indices(prompts, at.position)).double().cpu() for prompts, run in runs])


def _mean_z(fit: Fit, position: Position, population: Population) -> Tensor:
    total = torch.zeros(fit.loaded.layers, fit.loaded.heads, fit.loaded.d_head, dtype=torch.float64)
    for prompts, run in fit.runs(population):
        at, every = _indices(prompts, position), torch.arange(len(prompts))
        total += torch.stack([z[every, at].double().sum(0).cpu() for z in run.z])
    return total / len(fit.prompts(population.name))


def _indices(prompts: list[Prompt], position: Position) -> Tensor:
    """(batch,): the token index of a position in each prompt."""
    return torch.tensor([index_of(prompt, position) for prompt in prompts])
