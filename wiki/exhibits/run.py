"""What a finished run shows: pictures, facts, environment. Finished runs never change, so each is read only once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import fmean
from typing import assert_never

from django.core.cache import caches
from django.utils.safestring import SafeString

from wiki.evidence import control_in
from wiki.exhibits.words import kind_of_sets, metric_words, unit
from wiki.models import Run, RunState
from wiki.pictures.control import control_histogram
from wiki.pictures.spread import Strip, spread
from wiki.pictures.svg import figure
from workers.engine.documents.measurement import Measurement, RandomSets
from workers.engine.metrics import METRICS
from workers.engine.numbers import Arm, Edited, Environment, Numbers, PowerTried, SetsTried, Soundness

Facts = tuple[tuple[str, str], ...]
MOST_ARMS = 6
SHOWN_AS = 2  # raised when the pictures or facts change, so that cached ones are not shown any more
KEPT_FOR = 7 * 24 * 3600  # seconds


@dataclass(frozen=True)
class RunExhibit:
    """spread: of an arm's values over prompts. control: the histogram of random sets, where it is such a control."""

    facts: Facts = ()
    environment: Facts = ()
    spread: SafeString | None = None
    caption: str = ""
    control: SafeString | None = None
    components: tuple[str, ...] = field(default=())


def exhibit(run: Run) -> RunExhibit:
    """Empty until the run has finished. Reads `run.numbers` only if nobody did before."""
    if run.state != RunState.FINISHED:
        return RunExhibit()
    assert run.finished_at is not None
    key = f"run-exhibit-{SHOWN_AS}-{run.measurement_id}-{run.draw}-{run.finished_at.timestamp()}"
    shown: RunExhibit | None = caches["process"].get(key)
    if shown is None:
        shown = _exhibit(run)
        caches["process"].set(key, shown, KEPT_FOR)
    return shown


def _exhibit(run: Run) -> RunExhibit:
    measurement = Measurement.read(run.measurement.text)
    if measurement.control is None:
        return _of_numbers(Numbers.read(run.numbers), measurement)
    control = control_in(run)
    match control:
        case SetsTried():
            return _of_sets(control, measurement)
        case PowerTried():
            shown = _of_numbers(control.numbers, measurement)
            return RunExhibit(shown.facts, shown.environment, shown.spread, shown.caption, None, control.components)
        case _:
            assert_never(control)


def _of_numbers(numbers: Numbers, measurement: Measurement) -> RunExhibit:
    metric = measurement.spec.metric
    strips = tuple(_strips(numbers, metric))
    count = len(numbers.prompts)
    return RunExhibit(
        facts=(
            ("Prompts", f"{count} ({', '.join(str(look) for look in numbers.looks)} at the looks)"),
            ("Independent unit", numbers.unit),
            ("Population", numbers.population),
            *_soundness(numbers.soundness),
        ),
        environment=_environment(numbers.environment),
        spread=spread(strips, METRICS[metric].unit) if count else None,
        caption=_caption(numbers, metric),
    )


def _strips(numbers: Numbers, metric: str) -> Iterator[Strip]:
    arms: list[tuple[str, str, Arm]] = [("untouched", "clean", numbers.clean)]
    if numbers.corrupted is not None:
        arms.append(("corrupted", "corrupted", numbers.corrupted))
    if numbers.floor is not None:
        arms.append(("floor", "corrupted", numbers.floor))
    for edited in _farthest(numbers, metric):
        label = edited.components[0] if len(numbers.edited) > 1 and len(edited.components) == 1 else "edited"
        arms.append((label, "edited", edited.arm))
    for label, kind, arm in arms:
        yield Strip(label, kind, arm[metric])


def _farthest(numbers: Numbers, metric: str) -> list[Edited]:
    """As many arms as a picture takes, those first that lie farthest from the run that they are edits of."""
    if len(numbers.edited) <= MOST_ARMS:
        return list(numbers.edited)
    base = numbers.corrupted if numbers.base == "corrupted" and numbers.corrupted is not None else numbers.clean
    usual = fmean(base[metric])
    return sorted(numbers.edited, key=lambda edited: -abs(fmean(edited.arm[metric]) - usual))[:MOST_ARMS]


def _caption(numbers: Numbers, metric: str) -> str:
    words = metric_words(metric)
    told = f"{words[:1].upper()}{words[1:]} on each of the {len(numbers.prompts)} prompts of draw {numbers.draw}."
    if len(numbers.edited) > MOST_ARMS:
        return (
            f"{told} One by one: the {MOST_ARMS} of {len(numbers.edited)} components that differ most from the "
            f"{'corrupted' if numbers.base == 'corrupted' else 'untouched'} run; the other "
            f"{len(numbers.edited) - MOST_ARMS} are left out here."
        )
    return f"{told} Edited: with the intervention." if numbers.edited else told


def _of_sets(tried: SetsTried, measurement: Measurement) -> RunExhibit:
    control = measurement.control
    assert isinstance(control, RandomSets)
    values = [one.value for one in tried.tried]
    extreme = sum(value >= tried.own if control.toward == "above" else value <= tried.own for value in values)
    counts, what = unit(measurement.spec), kind_of_sets(tried.pool)
    picture = control_histogram(values, tried.own, extreme, control.toward, counts, what) if values else None
    return RunExhibit(
        facts=(
            _how_many(tried),
            ("Prompts", str(len(tried.prompts))),
            ("Left out", ", ".join(tried.excluded) or "nothing"),
            *_soundness(tried.soundness),
        ),
        environment=_environment(tried.environment),
        control=picture,
    )


def _how_many(tried: SetsTried) -> tuple[str, str]:
    if tried.pool == "random directions":  # there are as many as one likes
        return "Random directions", str(len(tried.tried))
    return "Random sets", f"{len(tried.tried)} of {tried.possible} possible, drawn from: {tried.pool}"


def _soundness(soundness: Soundness) -> Facts:
    facts = [("Every hook wrote", "yes" if soundness.wrote else "no")]
    if soundness.largest_change is not None:
        facts.append(("Largest change of a written value", figure(soundness.largest_change)))
    if soundness.null_difference is not None:
        facts.append(("Change when each value is replaced by itself", figure(soundness.null_difference)))
    if soundness.oracle_difference is not None:
        told = f"{figure(soundness.oracle_difference)} on {soundness.oracle_prompts} prompts"
        facts.append(("Difference to plain hooks", told))
    if soundness.precision_difference is not None:
        facts.append(("Difference to single precision", figure(soundness.precision_difference)))
    return (*facts, ("Noise floor", figure(soundness.noise_floor)))


def _environment(environment: Environment) -> Facts:
    values = environment.values()
    flags = json.dumps(values.pop("flags"), sort_keys=True)
    told = [(name.replace("_", " "), "none" if value is None else str(value)) for name, value in values.items()]
    return (*told, ("flags", flags))
