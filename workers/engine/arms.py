"""The arms of a measurement: which runs it consists of, and their numbers for every prompt, in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Literal

import torch
from torch import Tensor

from workers.engine.ablating import given_edits
from workers.engine.anatomy import Loaded
from workers.engine.batches import batches
from workers.engine.documents.measurement import Measurement
from workers.engine.documents.spec import Spec
from workers.engine.fit import Fit
from workers.engine.metrics import METRICS
from workers.engine.prompts import Prompt
from workers.engine.record import Record
from workers.engine.setting import Effect, How, Setting
from workers.engine.techniques import TECHNIQUES, Technique

ArmName = Literal["edited", "contrast", "member", "floor", "clean", "corrupted", "untouched"]
"""untouched: the run that the edits are made in, without even what is `given`."""
Key = tuple[ArmName, int]

BESIDES = ("logit_diff", "prob", "kl")
"""Metrics kept of every arm of a claim beside its own, where the prompts allow it."""
MOST_MEMBERS = 64
AT_ONCE = 128  # interventions asked for together


@dataclass(frozen=True)
class Plan:
    """specs: every arm that the technique runs. metrics: what is read off each arm, the claimed one first."""

    technique: Technique
    spec: Spec
    specs: dict[Key, Spec]
    metrics: tuple[str, ...]

    def with_arms(self, specs: dict[Key, Spec]) -> Plan:
        return replace(self, specs=specs)


def plan(measurement: Measurement, spec: Spec, prompt: Prompt, besides: Iterable[str] = BESIDES) -> Plan:
    """prompt: any of the measurement's, which shows whether wrong answers are stated."""
    technique = TECHNIQUES[measurement.technique]
    wanted = [spec.metric, *besides, *([measurement.gate_metric] if measurement.gate_metric else [])]
    wrong = all(answer.wrong for answer in prompt.answers)
    metrics = tuple(name for name in dict.fromkeys(wanted) if _readable(name, wrong))
    return Plan(technique, spec, dict(_arms(technique, spec)), metrics)


def _readable(metric: str, wrong: bool) -> bool:
    return METRICS[metric].rows != "none" and (wrong or not METRICS[metric].needs_wrong)


def components_of(spec: Spec) -> tuple[str, ...]:
    components: tuple[str, ...] = getattr(spec, "components", ())
    return components


def _arms(technique: Technique, spec: Spec) -> Iterator[tuple[Key, Spec]]:
    components = components_of(spec)
    together = [components] if spec.over == "group" else [(one,) for one in components]
    yield from ((("edited", i), spec.editing(arm)) for i, arm in enumerate(together))
    if spec.contrast:
        yield ("contrast", 0), spec.editing(spec.contrast)
    floor = spec.at_floor()
    if floor is not None:
        yield ("floor", 0), floor
    if technique.causal and spec.over == "group" and len(components) > 1:
        for i, member in enumerate(islice(components, MOST_MEMBERS)):
            yield ("member", i), spec.editing(tuple(one for one in components if one != member))


@dataclass(frozen=True)
class Measured:
    """values: arm -> metric -> (prompt,). changes: edited arm -> the largest change it wrote."""

    values: dict[Key, dict[str, Tensor]]
    wrote: bool = True
    changes: dict[Key, float] = field(default_factory=dict)

    def then(self, later: Measured) -> Measured:
        """With further prompts' numbers behind these."""
        values = {
            key: {name: torch.cat([found, later.values[key][name]]) for name, found in arm.items()}
            for key, arm in self.values.items()
        }
        changes = {key: max(change, later.changes[key]) for key, change in self.changes.items()}
        return Measured(values, self.wrote and later.wrote, changes)

    def in_order(self, places: Sequence[int]) -> Measured:
        """With prompt i's numbers moved to places[i]."""
        order = torch.tensor(places).argsort()
        values = {key: {name: found[order] for name, found in arm.items()} for key, arm in self.values.items()}
        return replace(self, values=values)


def settings(
    prompts: Sequence[Prompt], loaded: Loaded, fit: Fit, metrics: tuple[str, ...], how: How = "replay"
) -> Iterator[tuple[list[int], Setting]]:
    """The prompts in equally long batches, with their places."""
    for places in batches(prompts, loaded):
        yield places, Setting(loaded, tuple(prompts[place] for place in places), fit, metrics, how)


def measured(plan: Plan, batched: Iterable[tuple[list[int], Setting]]) -> Measured:
    """Every arm on every prompt."""
    parts = [(places, _measured(plan, setting)) for places, setting in batched]
    together = parts[0][1]
    for _, part in parts[1:]:
        together = together.then(part)
    return together.in_order([place for places, _ in parts for place in places])


def _measured(plan: Plan, setting: Setting) -> Measured:
    effects = _effects(plan, setting)
    changes = {key: effect.largest_change for key, effect in effects.items() if effect.largest_change is not None}
    wrote = all(effect.wrote for effect in effects.values())
    return Measured({key: effect.arm for key, effect in effects.items()}, wrote, changes)


def _effects(plan: Plan, setting: Setting) -> dict[Key, Effect]:
    keys = list(plan.specs)
    found: dict[Key, Effect] = {}
    for start in range(0, len(keys), AT_ONCE):
        some = keys[start : start + AT_ONCE]
        found |= zip(some, plan.technique.run(setting, [plan.specs[key] for key in some]), strict=True)
    found["clean", 0] = _clean(plan, setting)
    found["untouched", 0] = setting.untouched(setting.clean)
    if (corrupted := _corrupted(plan, setting)) is not None:
        found["corrupted", 0] = corrupted
    return found


def _corrupted(plan: Plan, setting: Setting) -> Effect | None:
    """Of corrupted prompts, or as the technique itself corrupts the run."""
    if plan.technique.corrupted is not None:
        return replace(plan.technique.corrupted(setting, plan.spec), largest_change=None)
    if plan.spec.corruption is None:
        return None
    return _with_given(plan, setting, setting.corrupted(plan.spec.corruption))


def _clean(plan: Plan, setting: Setting) -> Effect:
    clean = _with_given(plan, setting, setting.clean)
    if METRICS[plan.spec.metric].rows != "none":
        return clean
    own = plan.technique.run(setting, [plan.spec])[0].arm  # a number that only the technique can read
    return replace(clean, arm={**own, **clean.arm})


def _with_given(plan: Plan, setting: Setting, run: Record) -> Effect:
    """An untouched arm, but for what stands in both arms."""
    if not plan.spec.given:
        return setting.untouched(run)
    effect = setting.effects(run, [given_edits(setting, plan.spec.given)])[0]
    return replace(effect, largest_change=None)
