"""Which prompts a draw consists of, and after how many of them a run looks at what it has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from random import Random

from workers.engine.chance import pick_different
from workers.engine.documents.measurement import PROTOCOL, Measurement
from workers.engine.judge import LOOKS
from workers.engine.prepare import prompts_of
from workers.engine.prompts import GENERATORS, Draws, Prompt, Refused, Vocabulary
from workers.engine.seeds import number_of, public_seed

LARGEST_POPULATION = 20_000


@dataclass(frozen=True)
class Sampled:
    """A draw's prompts in portions, one for each look. seed: null where the prompts are stated or enumerated."""

    population: Draws
    seed: str | None
    unit: str
    planned_looks: int
    looks: Iterator[tuple[Prompt, ...]]


def claimed(measurement: Measurement) -> Measurement:
    """What a control is the control of: public draws and fits are its, so that both run on the same prompts."""
    return measurement.model_copy(update={"control": None})


def seed_of(measurement: Measurement, draw: int, seed: str | None) -> str:
    """The seed given, or the public one of draw 0; raises Refused for a fresh draw without one."""
    if seed is not None:
        return seed
    if draw != 0:
        raise Refused(f"draw {draw} is a fresh one and needs a seed; only draw 0 is public")
    return public_seed(claimed(measurement).sha256, 0, PROTOCOL)


def sample(measurement: Measurement, draw: int, seed: str | None, vocabulary: Vocabulary, most: int | None) -> Sampled:
    """A draw's prompts. most: at most so many, in a single look (a sweep without a claim, a control)."""
    source = measurement.prompts.source
    generator = GENERATORS[source.generator]
    population = generator.draws(source)
    used = seed_of(measurement, draw, seed)
    prompts = prompts_of(source, vocabulary, used)
    if population == "seeded":
        sizes = LOOKS if most is None else (most,)
        return Sampled(population, used, generator.unit, len(sizes), _portions(prompts, sizes))
    whole = _some(_whole(prompts), most, number_of(used))
    return Sampled(population, None, generator.unit, 1, iter([whole]))


def _portions(prompts: Iterator[Prompt], sizes: tuple[int, ...]) -> Iterator[tuple[Prompt, ...]]:
    done = 0
    for size in sizes:
        portion = tuple(islice(prompts, size - done))
        if not portion:
            return
        yield portion
        done = size


def _whole(prompts: Iterator[Prompt]) -> tuple[Prompt, ...]:
    whole = tuple(islice(prompts, LARGEST_POPULATION + 1))
    if len(whole) > LARGEST_POPULATION:
        raise Refused(f"more than {LARGEST_POPULATION} prompts are stated; a population that large is drawn from")
    return whole


def _some(whole: tuple[Prompt, ...], most: int | None, number: int) -> tuple[Prompt, ...]:
    """All, or as many as are wanted, picked by the seed: the first rows of a table are not like the rest."""
    if most is None or len(whole) <= most:
        return whole
    return pick_different(Random(number), whole, most)
