"""Controls: would any components have done? Random sets for an effect, a reference edit for an absence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import assert_never

from workers.engine.arms import Key, Measured, Plan, components_of, measured, plan, settings
from workers.engine.documents.canonical import LARGEST_INTEGER
from workers.engine.documents.measurement import Power, RandomSets
from workers.engine.documents.spec import Spec
from workers.engine.environment import environment_of
from workers.engine.measuring import Job, Progress, kept, measure, numbers_of
from workers.engine.null import Reduce
from workers.engine.numbers import PowerTried, SetsTried, Soundness, TriedSet
from workers.engine.positive_control import checked, with_run
from workers.engine.prompts import Prompt, Refused
from workers.engine.random_sets import Chosen, PoolName, choose_pool, portions, sets_of
from workers.engine.random_wirings import rewired
from workers.engine.report import Share, reported
from workers.engine.sampling import Sampled, sample, seed_of
from workers.engine.seeds import number_of
from workers.engine.setting import Setting
from workers.engine.specificity import ENOUGH_EXCEEDING, at_least_as_extreme
from workers.engine.statistics import estimate

SETS_AT_ONCE = 32


def try_power(job: Job, control: Power, seed: str | None, progress: Progress) -> PowerTried:
    """The reference edit in place of the claimed one, on as many of the claim's prompts as the control asks for."""
    spec = job.measurement.spec.for_power(control.components).model_copy(update={"over": "group"})
    numbers = measure(job.with_spec(spec), seed, (), progress, control.prompts)
    return PowerTried(components=control.components, numbers=numbers)


def try_sets(job: Job, control: RandomSets, seed: str | None, progress: Progress, chance: float = 0.0) -> SetsTried:
    """The claimed components, then random sets until all are tried or enough are at least as extreme.

    chance: the behavior's level, which statistic "fraction" counts from where the metric has no null value.
    """
    trial = _trial(job, control, seed, chance)
    (value,), run = trial.values([trial.planned.spec])
    used = seed_of(job.measurement, job.draw, seed)
    others = _others(trial, number_of(used))
    tried = _tried(trial, others, value, progress)
    return SetsTried(
        protocol=job.measurement.protocol,
        measurement=job.measurement.sha256,
        draw=job.draw,
        seed=used,
        prompts=tuple(map(kept, trial.prompts)),
        pool=others.pool,
        excluded=others.excluded,
        possible=others.possible,
        own=value,
        tried=tried,
        soundness=with_run(trial.soundness, run),
        environment=environment_of(job.loaded, job.command),
    )


@dataclass(frozen=True)
class Trial:
    """What the claimed components and every random set are measured on; its settings keep their records."""

    job: Job
    control: RandomSets
    planned: Plan
    sampled: Sampled
    prompts: tuple[Prompt, ...]
    settings: list[tuple[list[int], Setting]]
    soundness: Soundness
    chance: float

    def values(self, sets: Sequence[Spec]) -> tuple[list[float], Measured]:
        """The reported number of each set: the spec with other components, or with another direction."""
        shared = {key: spec for key, spec in self.planned.specs.items() if key[0] in ("contrast", "floor")}
        tried = self.planned.with_arms({**dict(_arms(sets)), **shared})
        run = measured(tried, self.settings)
        prompts = tuple(map(kept, self.prompts))
        numbers = numbers_of(self.job, self.sampled, tried, run, prompts, (len(prompts),), self.soundness)
        found = estimate(reported(tried.spec, Share(numbers, len(prompts)), numbers.edited, self.chance))
        return _reduced([float(value) for value in found], len(sets), self.control.reduce), run


def _trial(job: Job, control: RandomSets, seed: str | None, chance: float) -> Trial:
    sampled = sample(job.measurement, job.draw, seed, job.fit.vocabulary, control.prompts)
    prompts = next(sampled.looks, ())
    if not prompts:
        raise Refused("the behavior's prompts are none; state at least one")
    planned = plan(job.measurement, job.spec, prompts[0], besides=())
    batched = list(settings(prompts, job.loaded, job.fit, planned.metrics))
    soundness = checked(planned, prompts, job.loaded, job.fit)
    return Trial(job, control, planned, sampled, prompts, batched, soundness, chance)


@dataclass(frozen=True)
class Others:
    """What could have been claimed instead. sets: what a set is called, and the spec that measures it."""

    pool: PoolName
    excluded: Chosen
    possible: int
    sets: Iterator[tuple[Chosen, Spec]]


def _others(trial: Trial, seed: int) -> Others:
    """Random directions where the technique fits one, circuits wired alike for one of edges, else random components."""
    spec, control, measurement = trial.planned.spec, trial.control, trial.job.measurement
    if (alternative := trial.planned.technique.alternative) is not None:
        numbered = ((f"random direction {n}", alternative(spec, n)) for n in range(control.sets))
        return Others("random directions", (), LARGEST_INTEGER, (((name,), other) for name, other in numbered))
    if edges := getattr(spec, "edges", ()):
        wired = rewired(edges, control.exclude, measurement.model.dimensions, control.sets, seed)
        alike = ((names, spec.model_copy(update={"edges": other})) for names, other in wired.circuits)
        return Others("same layers", (), wired.possible, alike)
    pool = choose_pool(components_of(spec), control.exclude, measurement.model.dimensions)
    sets = ((chosen, spec.editing(chosen)) for chosen in sets_of(pool, control.sets, seed))
    return Others(pool.name, pool.excluded, pool.possible, sets)


def _tried(trial: Trial, others: Others, own: float, progress: Progress) -> tuple[TriedSet, ...]:
    control = trial.control
    total = min(others.possible, control.sets)
    tried: list[TriedSet] = []
    exceeding = 0
    for some in portions(others.sets, SETS_AT_ONCE):
        progress(len(tried), total, "trying random sets")
        values, _ = trial.values([spec for _, spec in some])
        for (chosen, _), value in zip(some, values, strict=True):
            tried.append(TriedSet(components=chosen, value=value))
            exceeding += at_least_as_extreme(value, own, control.toward)
            if exceeding == ENOUGH_EXCEEDING:
                return tuple(tried)
    return tuple(tried)


def _arms(sets: Sequence[Spec]) -> Iterator[tuple[Key, Spec]]:
    arms = [(spec, arm) for spec in sets for arm in _together(spec)]
    yield from ((("edited", i), spec.editing(arm)) for i, (spec, arm) in enumerate(arms))


def _together(spec: Spec) -> list[Chosen]:
    components = components_of(spec)
    return [components] if spec.over == "group" else [(one,) for one in components]


def _reduced(values: list[float], sets: int, reduce: Reduce) -> list[float]:
    """One number for each set, of as many arms each."""
    if not all(map(isfinite, values)):
        raise Refused("the reported number is not finite: what it is divided by is zero on these prompts")
    size = len(values) // sets
    each = [values[start : start + size] for start in range(0, len(values), size)]
    match reduce:
        case "group" | "mean":
            return [sum(some) / len(some) for some in each]
        case "least":
            return [min(some) for some in each]
        case "most":
            return [max(some) for some in each]
        case _:
            assert_never(reduce)
