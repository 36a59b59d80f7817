"""Where the values that an ablation writes come from: zero, a mean over other prompts, or another prompt's own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, assert_never

import torch
from torch import Tensor

from workers.engine.documents.circuit_spec import CircuitSpec
from workers.engine.documents.components import Component, component
from workers.engine.documents.spec import Ablation, Given, Spec
from workers.engine.edit import Edit, read
from workers.engine.fit import Averaged, Population
from workers.engine.prompts import Refused
from workers.engine.setting import Effect, Effects, Setting, edit

Place = tuple[Component, Tensor | None]
"""A component and the token index in each prompt (batch,), or None for every position."""


@dataclass(frozen=True)
class Ablating:
    """population: whose mean or whose own values; of no matter for zero.

    folded: zero as HookedTransformer means it, which folds the norm's bias into the value bias, and that into the
    output: z becomes both together. (Attention weights sum to 1, so that is what remains of z when the bias-free part
    is zero.)
    """

    ablation: Ablation
    population: Population = Population()
    averaged: Averaged = "per_position"
    value_bias: Literal["raw", "folded"] = "raw"


def ablated(setting: Setting, places: Sequence[Place], how: Ablating) -> list[Edit]:
    """Each place with its ablated value."""
    return [edit(place, at, replacement(setting, place, how)) for place, at in places]


def at_positions(setting: Setting, components: Sequence[str]) -> list[Place]:
    """Components at the positions they name."""
    return [(place, setting.at(place)) for place in map(component, components)]


def all_others(setting: Setting, kept: Sequence[str], kinds: Literal["heads", "heads_and_mlps"]) -> list[Place]:
    """Every head (and MLP) at every position, but the kept ones at theirs."""
    kept_at: dict[str, list[Tensor | None]] = {}
    for place, at in at_positions(setting, kept):
        kept_at.setdefault(place.name, []).append(at)
    layers = range(setting.loaded.layers)
    everything = [Component("head", layer, head) for layer in layers for head in range(setting.loaded.heads)]
    if kinds == "heads_and_mlps":
        everything += [Component("mlp", layer) for layer in layers]
    return [found for place in everything for found in _elsewhere(setting, place, kept_at.get(place.name, []))]


def require_means(setting: Setting, places: Iterable[Place], how: Ablating) -> None:
    """Fit the means of all the places in one pass."""
    if how.ablation == "mean":
        setting.fit.require([place for place, _ in places], how.population)


def _elsewhere(setting: Setting, place: Component, kept: Sequence[Tensor | None]) -> list[Place]:
    """The place at all positions where it is not kept."""
    if not kept:
        return [(place, None)]
    if any(at is None for at in kept):
        return []
    stay = torch.stack([at for at in kept if at is not None], dim=1).tolist()  # (batch, kept)
    length = len(setting.prompts[0].tokens)
    rest = [sorted(set(range(length)) - set(indices)) for indices in stay]  # (batch, rest)
    if len({len(indices) for indices in rest}) > 1:
        text = setting.prompts[0].text
        raise Refused(f"{text!r}: positions at which {place} is kept fall together here but not in other prompts")
    return [(place, torch.tensor(column, device=setting.loaded.device)) for column in zip(*rest, strict=True)]


def replacement(setting: Setting, place: Component, how: Ablating) -> Tensor:
    """(batch, pos, d): what an ablation writes at a place, at every position of the prompts."""
    bare = place.without_position()
    value: Tensor = setting.once((bare, how), lambda: _replacement(setting, bare, how))
    return value


def how_of(spec: CircuitSpec) -> Ablating:
    """How a spec that keeps a circuit has everything else ablated."""
    population = Population("prompts" if spec.mean_over is None else "mean_over", spec.corruption)
    return Ablating(spec.ablation, population, spec.mean)


def only_kept(setting: Setting, circuits: Sequence[Sequence[str]], spec: CircuitSpec) -> list[list[Edit]]:
    """For each circuit the edits that ablate everything else of the spec's kinds, beside what is given."""
    standing = [text for item in spec.given for text in item.components]
    return _beside_given(setting, [all_others(setting, [*kept, *standing], spec.others) for kept in circuits], spec)


def knocked_out(setting: Setting, circuits: Sequence[Sequence[str]], spec: CircuitSpec) -> list[list[Edit]]:
    """For each circuit the edits that ablate it, beside what is given."""
    return _beside_given(setting, [at_positions(setting, circuit) for circuit in circuits], spec)


def difference(
    setting: Setting, spec: Spec, first: Sequence[Sequence[Edit]], second: Sequence[Sequence[Edit]]
) -> Effects:
    """The clean run's metrics, moved by what each of `first` makes of them less what its fellow of `second` does.

    So the report `change` is that difference, and `relative_change` its share of the clean number. What is given stands
    in the clean run, too.
    """
    untouched = setting.effects(setting.clean, [given_edits(setting, spec.given)])[0].arm
    both = zip(setting.effects(setting.clean, first), setting.effects(setting.clean, second), strict=True)
    return tuple(
        Effect(
            {name: untouched[name] + one.arm[name] - other.arm[name] for name in untouched},
            one.wrote and other.wrote,
            max(one.largest_change or 0.0, other.largest_change or 0.0),
        )
        for one, other in both
    )


def _beside_given(setting: Setting, planned: Sequence[Sequence[Place]], spec: CircuitSpec) -> list[list[Edit]]:
    given, how = given_edits(setting, spec.given), how_of(spec)
    require_means(setting, [place for places in planned for place in places], how)
    return [[*given, *ablated(setting, places, how)] for places in planned]


def given_edits(setting: Setting, given: Sequence[Given]) -> list[Edit]:
    """The edits that stand in both arms."""
    found: list[Edit] = []
    for item in given:
        how = Ablating(item.ablation, Population(corruption=item.corruption))
        places = at_positions(setting, item.components)
        require_means(setting, places, how)
        found += ablated(setting, places, how)
    return found


def _replacement(setting: Setting, place: Component, how: Ablating) -> Tensor:
    match how.ablation:
        case "zero":
            return _zero(setting, place, how)
        case "mean":
            return setting.fit.mean(place, how.population, how.averaged, setting.prompts)
        case "resample":
            return read(setting.donors(how.population), place, None)
        case _:
            assert_never(how.ablation)


def _zero(setting: Setting, place: Component, how: Ablating) -> Tensor:
    zero = torch.zeros_like(read(setting.clean, place, None))  # (batch, pos, d)
    if how.value_bias == "raw":
        return zero
    assert place.layer is not None and place.head is not None, "only heads have a value bias"
    return zero + _values_of_nothing(setting, place.layer, place.head)


def _values_of_nothing(setting: Setting, layer: int, head: int) -> Tensor:
    """(d_head,): a head's v where the residual stream is zero, so that only biases are left."""
    run = setting.clean.prompts(slice(1))
    nothing = replace(run, resid=tuple(map(torch.zeros_like, run.resid)))
    return nothing.projected(layer, "v", head)[0, 0]
