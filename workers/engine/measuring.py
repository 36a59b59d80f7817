"""Measuring: what every run does, in order. No technique and no claim can skip a step (EVIDENCE 3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from workers.engine.anatomy import Loaded
from workers.engine.arms import BESIDES, Key, Measured, Plan, components_of, measured, plan, settings
from workers.engine.documents.measurement import Measurement
from workers.engine.documents.spec import Spec
from workers.engine.environment import REPEAT, environment_of
from workers.engine.fit import Fit
from workers.engine.judge import Gate, Stake, decided
from workers.engine.numbers import Arm, Edited, Numbers, PromptKept, Soundness
from workers.engine.positive_control import checked, with_run
from workers.engine.prepare import vocabulary_of
from workers.engine.prompts import Prompt, Refused
from workers.engine.sampling import Sampled, claimed, sample
from workers.engine.seeds import fit_seed
from workers.engine.setting import Setting

Batched = Iterator[tuple[list[int], Setting]]
Progress = Callable[[int, int, str], None]
Stakes = Sequence[tuple[Stake, Gate | None]]


@dataclass(frozen=True, eq=False)
class Job:
    """A measurement on a loaded model. spec: its own, or its control's. command: what repeats it."""

    measurement: Measurement
    spec: Spec
    draw: int
    loaded: Loaded
    fit: Fit
    command: str = REPEAT

    def with_spec(self, spec: Spec) -> Job:
        """The same prompts and fit, under another spec; it stays a run of this measurement."""
        return replace(self, spec=spec)


def fit_of(measurement: Measurement, loaded: Loaded) -> Fit:
    """One fit serves every draw of a measurement, and its control."""
    vocabulary = vocabulary_of(loaded.tokenizer, measurement.model, loaded.outputs)
    parts = {"prompts": measurement.prompts, **measurement.fit}
    return Fit(loaded, vocabulary, parts, fit_seed(claimed(measurement).sha256))


def job(measurement: Measurement, draw: int, loaded: Loaded, command: str = REPEAT, fit: Fit | None = None) -> Job:
    """fit: that of an earlier draw, where there was one."""
    return Job(measurement, measurement.spec, draw, loaded, fit or fit_of(measurement, loaded), command)


def measure(job: Job, seed: str | None, stakes: Stakes, progress: Progress, prompts: int | None = None) -> Numbers:
    """One draw: look after look until every stake is decided. prompts: so many in one look, whatever is at stake."""
    sampled = sample(job.measurement, job.draw, seed, job.fit.vocabulary, prompts)
    numbers: Numbers | None = None
    run: Measured | None = None
    for portion in sampled.looks:
        planned = plan(job.measurement, job.spec, portion[0])
        batched = settings(portion, job.loaded, job.fit, planned.metrics)
        found = measured(planned, _watched(batched, progress, _so_far(numbers), len(portion)))
        run = found if run is None else run.then(found)
        sound = numbers.soundness if numbers else checked(planned, portion, job.loaded, job.fit)
        numbers = _looked(job, sampled, numbers, portion, planned, run, with_run(sound, run))
        progress(_so_far(numbers), _so_far(numbers), "measured")
        if stakes and all(decided(stake, gate, numbers) for stake, gate in stakes):
            break
    if numbers is None:
        raise Refused("the behavior's prompts are none; state at least one")
    return numbers


def _watched(batched: Batched, progress: Progress, before: int, more: int) -> Batched:
    """The batches, telling how many prompts are done whenever the next one is asked for."""
    done = before
    for places, setting in batched:
        progress(done, before + more, "measuring")
        yield places, setting
        done += len(places)


def _so_far(numbers: Numbers | None) -> int:
    return len(numbers.prompts) if numbers else 0


def _looked(
    job: Job,
    sampled: Sampled,
    before: Numbers | None,
    portion: Sequence[Prompt],
    planned: Plan,
    run: Measured,
    soundness: Soundness,
) -> Numbers:
    """The draw so far, with the prompts of this look behind those of earlier ones."""
    prompts = (*(before.prompts if before else ()), *map(kept, portion))
    looks = (*(before.looks if before else ()), len(prompts))
    return numbers_of(job, sampled, planned, run, prompts, looks, soundness)


def numbers_of(
    job: Job,
    sampled: Sampled,
    planned: Plan,
    run: Measured,
    prompts: tuple[PromptKept, ...],
    looks: tuple[int, ...],
    soundness: Soundness,
) -> Numbers:
    measurement, spec = job.measurement, planned.spec
    contrast = _edited(planned, run, "contrast")
    return Numbers(
        protocol=measurement.protocol,
        measurement=measurement.sha256,
        draw=job.draw,
        seed=sampled.seed,
        looks=looks,
        planned_looks=sampled.planned_looks,
        population=sampled.population,
        unit=sampled.unit,
        prompts=prompts,
        base=spec.base,
        clean=_arm(run, ("clean", 0), spec.metric),
        corrupted=_optional_arm(run, ("corrupted", 0), spec.metric),
        floor=_optional_arm(run, ("floor", 0), spec.metric),
        edited=_edited(planned, run, "edited"),
        contrast=contrast[0] if contrast else None,
        members=_edited(planned, run, "member"),
        gate=_gate(measurement, run),
        soundness=soundness,
        environment=environment_of(job.loaded, job.command),
    )


def kept(prompt: Prompt) -> PromptKept:
    return PromptKept(hash=prompt.hash, template=prompt.template, unit=prompt.unit)


def _arm(run: Measured, key: Key, metric: str) -> Arm:
    """The claimed metric and those kept beside it; a gate's metric is not the arm's."""
    wanted = {metric, *BESIDES}
    return {name: tuple(found.tolist()) for name, found in run.values[key].items() if name in wanted}


def _optional_arm(run: Measured, key: Key, metric: str) -> Arm | None:
    return _arm(run, key, metric) if key in run.values else None


def _edited(planned: Plan, run: Measured, role: str) -> tuple[Edited, ...]:
    return tuple(
        Edited(components=components_of(spec), arm=_arm(run, key, spec.metric))
        for key, spec in planned.specs.items()
        if key[0] == role
    )


def _gate(measurement: Measurement, run: Measured) -> tuple[float, ...] | None:
    if measurement.gate_metric is None:
        return None
    values: list[float] = run.values["untouched", 0][measurement.gate_metric].tolist()
    return tuple(values)
