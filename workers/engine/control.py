"""Controls: would any components have done? Random sets for an effect, a reference edit for an absence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import assert_never

from workers.engine.arms import Key, Measured, Plan, components_of, measured, plan, settings
from workers.engine.documents.measurement import Power, RandomSets
from workers.engine.documents.spec import Spec
from workers.engine.environment import environment_of
from workers.engine.measuring import Job, Progress, kept, measure, numbers_of
from workers.engine.null import Reduce
from workers.engine.numbers import PowerTried, SetsTried, Soundness, TriedSet
from workers.engine.positive_control import checked, with_run
from workers.engine.prompts import Prompt, Refused
from workers.engine.random_sets import Chosen, Pool, choose_pool, portions, sets_of
from workers.engine.report import Share, reported
from workers.engine.sampling import Sampled, sample, seed_of
from workers.engine.seeds import number_of
from workers.engine.setting import Setting
from workers.engine.specificity import ENOUGH_EXCEEDING, at_least_as_extreme
from workers.engine.statistics import estimate

SETS_AT_ONCE = 32


def try_power(job: Job, control: Power, seed: str | None, progress: Progress) -> PowerTried:
    """The reference edit in place of the claimed one, on as many of the claim's prompts as the control asks for."""
    spec = job.measurement.spec.editing(control.components).model_copy(update={"over": "group"})
    numbers = measure(job.with_spec(spec), seed, (), progress, control.prompts)
    return PowerTried(components=control.components, numbers=numbers)


def try_sets(job: Job, control: RandomSets, seed: str | None, progress: Progress, chance: float = 0.0) -> SetsTried:
    """The claimed components, then random sets until all are tried or enough are at least as extreme.

    chance: the behavior's level, which statistic "fraction" counts from where the metric has no null value.
    """
    trial = _trial(job, control, seed, chance)
    own = components_of(trial.planned.spec)
    (value,), run = trial.values([own])
    pool = choose_pool(own, control.exclude, job.measurement.model.dimensions)
    used = seed_of(job.measurement, job.draw, seed)
    tried = _tried(trial, pool, value, number_of(used), progress)
    return SetsTried(
        protocol=job.measurement.protocol,
        measurement=job.measurement.sha256,
        draw=job.draw,
        seed=used,
        prompts=tuple(map(kept, trial.prompts)),
        pool=pool.name,
        excluded=pool.excluded,
        possible=pool.possible,
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

    def values(self, sets: Sequence[Chosen]) -> tuple[list[float], Measured]:
        """The reported number of each set."""
        shared = {key: spec for key, spec in self.planned.specs.items() if key[0] in ("contrast", "floor")}
        tried = self.planned.with_arms({**dict(_arms(self.planned.spec, sets)), **shared})
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


def _tried(trial: Trial, pool: Pool, own: float, seed: int, progress: Progress) -> tuple[TriedSet, ...]:
    control = trial.control
    total = min(pool.possible, control.sets)
    tried: list[TriedSet] = []
    exceeding = 0
    for some in portions(sets_of(pool, control.sets, seed), SETS_AT_ONCE):
        progress(len(tried), total, "trying random sets")
        for chosen, value in zip(some, trial.values(some)[0], strict=True):
            tried.append(TriedSet(components=chosen, value=value))
            exceeding += at_least_as_extreme(value, own, control.toward)
            if exceeding == ENOUGH_EXCEEDING:
                return tuple(tried)
    return tuple(tried)


def _arms(spec: Spec, sets: Sequence[Chosen]) -> Iterator[tuple[Key, Spec]]:
    together = sets if spec.over == "group" else [(one,) for chosen in sets for one in chosen]
    yield from ((("edited", i), spec.editing(arm)) for i, arm in enumerate(together))


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
