"""What is fitted: means, and donors for resampling, from prompts apart from those that are measured.

1,024 prompts drawn with a seed of their own, or all there are; the same for every draw of a measurement.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from typing import Any, Literal, assert_never

import torch
from torch import Tensor

from workers.engine.anatomy import Loaded
from workers.engine.batches import grouped, portions, prompts_at_once
from workers.engine.documents.components import Component
from workers.engine.documents.measurement import PromptPart
from workers.engine.edit import read
from workers.engine.prepare import prompts_of
from workers.engine.prompts import GENERATORS, Prompt, Refused, Vocabulary
from workers.engine.record import Record, record

FIT_PROMPTS = 1024
Layout = tuple[str, int]
"""Template and length: token index i means the same in all prompts of one layout."""
Averaged = Literal["per_position", "pooled"]


@dataclass(frozen=True)
class Population:
    """Which prompts values come from: a name in `Fit.parts`, and their corruption (None: as they are)."""

    name: str = "prompts"
    corruption: str | None = None


@dataclass(frozen=True, eq=False)
class Fit:
    """parts: the measurement's own prompts under "prompts", and others by the name of the spec's field."""

    loaded: Loaded
    vocabulary: Vocabulary
    parts: Mapping[str, PromptPart]
    seed: str
    _prompts: dict[str, tuple[Prompt, ...]] = field(default_factory=dict, repr=False)
    _grouped: dict[str, dict[Layout, list[int]]] = field(default_factory=dict, repr=False)
    _sums: dict[tuple[str, Population], dict[Layout, Tensor]] = field(default_factory=dict, repr=False)
    _made: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    def once(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What `make` gives, made at most once: a direction or a probe is fitted for all draws."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def runs(self, population: Population) -> Iterator[tuple[list[Prompt], Record]]:
        """All prompts of a population, each batch of one layout, with their run."""
        prompts = self.prompts(population.name)
        for layout, places in self._layouts(population.name).items():
            for some in portions(places, prompts_at_once(self.loaded, layout[1])):
                yield [prompts[place] for place in some], record(self.loaded, self._tokens(population, some))

    def prompts(self, name: str) -> tuple[Prompt, ...]:
        if name not in self._prompts:
            source = self.parts[name].source
            drawn = prompts_of(source, self.vocabulary, self.seed)
            endless = GENERATORS[source.generator].draws(source) == "seeded"
            self._prompts[name] = tuple(islice(drawn, FIT_PROMPTS) if endless else drawn)
        return self._prompts[name]

    def require(self, components: Iterable[Component], population: Population) -> None:
        """Sum what the components compute on the population, in one pass for all that are not summed yet."""
        wanted = {component.name: component.without_position() for component in components}
        missing = [place for name, place in wanted.items() if (name, population) not in self._sums]
        if not missing:
            return
        missing = self._and_all_alike(missing)
        sums: dict[str, dict[Layout, Tensor]] = {place.name: {} for place in missing}
        for prompts, run in self.runs(population):
            layout = _layout(prompts[0])
            for place in missing:
                total = read(run, place, None).double().sum(0)  # (pos, d)
                sums[place.name][layout] = sums[place.name].get(layout, 0) + total
        self._sums.update({(name, population): by_layout for name, by_layout in sums.items()})

    def _and_all_alike(self, places: Sequence[Component]) -> list[Component]:
        """A run's record holds what all heads, attentions and MLPs gave: sum them too, for controls will ask."""
        layers, found = range(self.loaded.layers), dict.fromkeys(places)
        for place in places:
            if place.kind == "head" and place.part is None:
                found |= dict.fromkeys(Component("head", i, j) for i in layers for j in range(self.loaded.heads))
            if place.kind in ("attn", "mlp"):
                found |= dict.fromkeys(Component(place.kind, i) for i in layers)
        return list(found)

    def mean(
        self, component: Component, population: Population, averaged: Averaged, prompts: Sequence[Prompt]
    ) -> Tensor:
        """(batch, pos, d) for equally long prompts: the mean at the same index of the same template, or over all."""
        self.require([component], population)
        sums, layouts = self._sums[component.name, population], self._layouts(population.name)
        match averaged:
            case "per_position":
                counts = {_layout(prompt): len(self._places(population.name, prompt)) for prompt in prompts}
                means = torch.stack([sums[layout] / count for layout, count in counts.items()])  # (layout, pos, d)
                number = {layout: i for i, layout in enumerate(counts)}
                found = means[[number[_layout(prompt)] for prompt in prompts]]
            case "pooled":
                tokens = sum(layout[1] * len(places) for layout, places in layouts.items())
                pooled = torch.stack([total.sum(0) for total in sums.values()]).sum(0) / tokens  # (d,)
                found = pooled.expand(len(prompts), len(prompts[0].tokens), -1)
            case _:
                assert_never(averaged)
        return found.to(self.loaded.model.dtype)

    def donor(self, population: Population, prompt: Prompt) -> tuple[int, ...]:
        """The tokens of another prompt of the same layout; which one depends on the prompt and the fit's seed alone."""
        places = self._places(population.name, prompt)
        others = [place for place in places if self.prompts(population.name)[place].tokens != prompt.tokens] or places
        number = int(sha256(f"{self.seed}\n{prompt.hash}".encode()).hexdigest(), 16)
        return _tokens(self.prompts(population.name)[others[number % len(others)]], population.corruption)

    def _layouts(self, name: str) -> dict[Layout, list[int]]:
        if name not in self._grouped:
            self._grouped[name] = grouped(self.prompts(name), _layout)
        return self._grouped[name]

    def _places(self, name: str, prompt: Prompt) -> list[int]:
        """The fit's prompts of this prompt's layout; raises Refused where there is none."""
        layouts = self._layouts(name)
        if _layout(prompt) not in layouts:
            raise Refused(
                f"{prompt.text!r}: none of the {len(self.prompts(name))} prompts that means and donors are taken from "
                f"has its template {prompt.template!r} and {len(prompt.tokens)} tokens; take a pooled mean"
            )
        return layouts[_layout(prompt)]

    def _tokens(self, population: Population, places: list[int]) -> Tensor:
        prompts = self.prompts(population.name)
        return torch.tensor([_tokens(prompts[place], population.corruption) for place in places])


def _layout(prompt: Prompt) -> Layout:
    return prompt.template, len(prompt.tokens)


def _tokens(prompt: Prompt, corruption: str | None) -> tuple[int, ...]:
    if corruption is None:
        return prompt.tokens
    if corruption not in prompt.corrupted:
        raise Refused(f"{prompt.text!r} has no corruption {corruption}; it has {', '.join(prompt.corrupted) or 'none'}")
    return prompt.corrupted[corruption]
