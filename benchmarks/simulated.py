"""Simulated draws whose truth is known, per kind of expectation: what `calibration` judges."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import TypeAdapter

from workers.engine.documents.expect import ExpectField
from workers.engine.judge import LOOKS
from workers.engine.statistics import Array, Sample
from workers.engine.techniques import TECHNIQUES
from workers.engine.verdict import Stake

Truth = Literal["boundary", "inside", "outside"]
Random = np.random.Generator
Draw = Callable[[Random, float], Sample]
"""A draw whose truth lies so many tolerances inside the expectation."""

N = LOOKS[-1]
TOLERANCE = 0.1
SPREAD = 10 * TOLERANCE
"""Of an effect from prompt to prompt."""
SIX = tuple(f"0.{head}" for head in range(6))
FRACTION = {"bounds": (0.0, 1.0)}
DIFFERENCE = {"bounds": (-1.0, 1.0)}


@dataclass(frozen=True)
class Scenario:
    """An expectation, and how draws come about. looks: of each draw; draws: how many have to agree."""

    expect: str
    effects: str
    stake: Stake
    draw: Draw
    looks: tuple[int, ...] = LOOKS
    draws: int = 2
    truths: tuple[Truth, ...] = ("boundary", "inside", "outside")


def scenarios() -> Iterator[Scenario]:
    for effects, noise in NOISES.items():
        yield from _one_number(effects, noise)
        yield from _stated(effects, noise)
        yield from _each_min_mean(effects, noise)
        yield from _rankings(effects, noise)
    yield from _accuracies()
    yield from _changes_of_accuracy()
    yield from _other_shares()


# ------------------------------------------------------------------------------------------------- noise and samples


def _normal(rng: Random, rows: int = 1) -> Array:
    return rng.normal(size=(rows, N))


def _skewed_up(rng: Random, rows: int = 1) -> Array:
    """Lognormal: skewness 6.2."""
    mean, spread = np.exp(0.5), np.sqrt((np.e - 1) * np.e)
    standard: Array = (rng.lognormal(size=(rows, N)) - mean) / spread
    return standard


def _skewed_down(rng: Random, rows: int = 1) -> Array:
    return -_skewed_up(rng, rows)


Noise = Callable[..., Array]
NOISES: dict[str, Noise] = {"normal": _normal, "skewed up": _skewed_up, "skewed down": _skewed_down}
"""(rows, N), mean 0, standard deviation 1."""
MEDIANS = {"normal": 0.0, "skewed up": (1 - np.exp(0.5)) / np.sqrt((np.e - 1) * np.e)}
MEDIANS["skewed down"] = -MEDIANS["skewed up"]


def _stake(expect: dict[str, Any], **spec: Any) -> Stake:
    stated = {"metric": "logit_diff", "components": ("0.0",), **spec}
    read = TypeAdapter(ExpectField).validate_python(expect)
    return Stake("ablation", TECHNIQUES["ablation"].spec.from_json(stated), read, "effect")


def _sample(numerator: Array, **more: Any) -> Sample:
    template = np.zeros(numerator.shape[-1], dtype=np.intp)
    return Sample(**{"statistic": "mean", "denominator": None, "template": template, **more, "numerator": numerator})


def _correct(rng: Random, p: float) -> Array:
    return (rng.random((1, N)) < p).astype(float)


# ------------------------------------------------------------------------------------------------- numbers


def _one_number(effects: str, noise: Noise) -> Iterator[Scenario]:
    at_least = _stake({"at_least": 1.0})

    def templates(rng: Random, inside: float) -> Sample:
        """16 templates whose means lie 4 apart at most."""
        template = np.arange(N, dtype=np.intp) % 16
        between = 2 * np.linspace(-1, 1, 16)[template]
        return _sample(1 + TOLERANCE * inside + between + SPREAD * noise(rng), template=template)

    def value(rng: Random, inside: float) -> Sample:
        return _sample(1.1 - TOLERANCE * inside + SPREAD * noise(rng))

    def ratio(rng: Random, inside: float) -> Sample:
        """The gap varies by half its mean; the edited arm follows it, with noise of its own."""
        gap = 1 + 0.5 * noise(rng)
        edited = (0.5 + 0.05 * inside) * gap + 0.5 * noise(rng)
        return _sample(edited, statistic="ratio_of_means", denominator=gap)

    def median(rng: Random, inside: float) -> Sample:
        around = noise(rng) - MEDIANS[effects]
        return _sample(1 + TOLERANCE * inside + SPREAD * around, statistic="median")

    yield Scenario("at_least", effects, at_least, _above(noise, N))
    yield Scenario("value", effects, _stake({"value": 1.0, "tolerance": TOLERANCE}), value)
    yield Scenario("at_least, 16 templates", effects, at_least, templates)
    yield Scenario("at_least of a ratio", effects, _stake({"at_least": 0.5}, report="kept"), ratio)
    yield Scenario("at_least of a median", effects, _stake({"at_least": 1.0}, statistic="median"), median)


def _above(noise: Noise, n: int) -> Draw:
    return lambda rng, inside: _sample(1 + TOLERANCE * inside + SPREAD * noise(rng)[:, :n])


def _stated(effects: str, noise: Noise) -> Iterator[Scenario]:
    for n in (24, 64):
        name, stake = f"at_least, {n} stated prompts", _stake({"at_least": 1.0})
        yield Scenario(name, effects, stake, _above(noise, n), (n,), 1, ("boundary", "outside"))


# ------------------------------------------------------------------------------------------------- several components


def _shared(noise: Noise, means: Callable[[float], list[float]]) -> Draw:
    """Half of the spread is the prompt's, the same for all components; differences spread by ten tolerances."""

    def draw(rng: Random, inside: float) -> Sample:
        own = (noise(rng, 6) + noise(rng)) / np.sqrt(2)
        return _sample(np.asarray(means(TOLERANCE * inside))[:, None] + SPREAD * own)

    return draw


def _each_min_mean(effects: str, noise: Noise) -> Iterator[Scenario]:
    one_at_the_edge = _shared(noise, lambda inside: [1 + inside, 1.5, 1.5, 1.5, 1.5, 1.5])
    all_at_the_edge = _shared(noise, lambda inside: [1 + inside] * 6)
    for over, draw in (("each", one_at_the_edge), ("min", one_at_the_edge), ("mean", all_at_the_edge)):
        yield Scenario(f"{over} at_least", effects, _stake({"at_least": 1.0}, components=SIX, over=over), draw)


def _rankings(effects: str, noise: Noise) -> Iterator[Scenario]:
    """top, set_equals: the second claimed component at the edge. rank: against one, or two, that tie at the edge."""
    top = _stake({"top": SIX[:2], "of": 6}, components=SIX, over="each")
    rank = _stake({"rank_at_most": 2, "component": "0.0"}, components=SIX, over="each")
    equals = _stake({"set_equals": SIX[:2], "threshold": 0.9}, components=SIX, over="each")
    yield Scenario("top 2 of 6", effects, top, _shared(noise, lambda inside: [2, 1 + inside, 1, 0, 0, 0]))
    yield Scenario("rank_at_most 2", effects, rank, _shared(noise, lambda inside: [1, 1.5, 1 - inside, 0, 0, 0]))
    tied = _shared(noise, lambda inside: [1, 1 - inside, 1 - inside, 0, 0, 0])
    yield Scenario("rank_at_most 2, two tied", effects, rank, tied)
    yield Scenario("set_equals", effects, equals, _shared(noise, lambda inside: [2, 0.9 + inside, 0, 0, 0, 0]))


# ------------------------------------------------------------------------------------------------- shares of prompts


def _accuracies() -> Iterator[Scenario]:
    def ten_answers(rng: Random, inside: float) -> Sample:
        """Ten answers to a prompt, some prompts easier than others."""
        mean = 0.8 + 0.04 * inside
        easy = rng.beta(8 * mean, 8 * (1 - mean), (1, N))
        return _sample(rng.binomial(10, easy) / 10, **FRACTION)

    def right(least: float, tolerance: float) -> Draw:
        return lambda rng, inside: _sample(_correct(rng, least + tolerance * inside), **FRACTION)

    for least, tolerance in ((0.8, 0.08), (0.98, 0.015)):
        stake = _stake({"at_least": least}, metric="accuracy", report="raw")
        yield Scenario(f"accuracy at_least {least}", "binary", stake, right(least, tolerance))
    of_ten = _stake({"at_least": 0.8}, metric="accuracy", report="raw")
    yield Scenario("accuracy at_least 0.8", "ten answers", of_ten, ten_answers)


def _changes_of_accuracy() -> Iterator[Scenario]:
    def absent(rng: Random, inside: float) -> Sample:
        """One prompt in 20 changes at the boundary, none inside."""
        return _sample(-_correct(rng, 0.05 * (1 - inside)), **DIFFERENCE)

    def fall(rng: Random, inside: float) -> Sample:
        better = _correct(rng, 0.05)
        return _sample(better - (1 - better) * _correct(rng, (0.55 + 0.05 * inside) / 0.95), **DIFFERENCE)

    nothing = _stake({"value": 0.0, "tolerance": 0.05}, metric="accuracy")
    yield Scenario("absence, change of accuracy", "binary", nothing, absent)
    yield Scenario("at_most, change of accuracy", "binary", _stake({"at_most": -0.5}, metric="accuracy"), fall)


def _other_shares() -> Iterator[Scenario]:
    def saturated(rng: Random, inside: float) -> Sample:
        """A probability near one that collapses on rare prompts."""
        collapsed = 0.999 * _correct(rng, 0.02 * (1 - inside / 1.25))
        return _sample(1 - 0.001 * rng.random((1, N)) - collapsed, **FRACTION)

    def correlated(rng: Random, inside: float) -> Sample:
        r = 0.6 + 0.06 * inside
        clean = rng.normal(size=(1, N))
        edited = r * clean + np.sqrt(1 - r**2) * rng.normal(size=(1, N))
        return _sample(edited, statistic="correlation", denominator=clean)

    at_the_edge = 1 - 0.0005 - 0.999 * 0.02
    probability = _stake({"at_least": at_the_edge}, metric="prob", report="raw")
    yield Scenario("probability at_least 0.98", "saturated", probability, saturated)
    correlation = _stake({"at_least": 0.6}, statistic="correlation")
    yield Scenario("correlation at_least 0.6", "normal", correlation, correlated)
