"""The unit of independence: which prompts are evidence of their own (EVIDENCE 3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from workers.engine.documents.spec import Generality
from workers.engine.numbers import PromptKept

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Units:
    """index (prompt,): each prompt's unit, numbered as they first appear. template (unit,): each unit's template."""

    index: NDArray[np.intp]
    template: NDArray[np.intp]

    def mean(self, values: Array) -> Array:
        """(..., prompt) -> (..., unit): the mean of a unit's prompts."""
        if len(self.template) == len(self.index):
            return values
        order = np.argsort(self.index, kind="stable")
        sizes = np.bincount(self.index)
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        summed: Array = np.add.reduceat(values[..., order], starts, axis=-1) / sizes
        return summed


def units_of(prompts: Sequence[PromptKept], generalizes_to: Generality) -> Units:
    """A prompt that comes again is no further evidence: it belongs to the unit it first came in."""
    match generalizes_to:
        case "prompts":
            return _by_unit(prompts)
        case "templates":
            return _by_template(prompts)
        case _:
            assert_never(generalizes_to)


def _by_template(prompts: Sequence[PromptKept]) -> Units:
    """Each template is one unit, whatever lengths its prompts have; there are no strata among them."""
    seen: dict[str, int] = {}
    index = [seen.setdefault(prompt.template.partition("/")[0], len(seen)) for prompt in prompts]
    return Units(np.asarray(index, dtype=np.intp), np.zeros(len(seen), dtype=np.intp))


def _by_unit(prompts: Sequence[PromptKept]) -> Units:
    seen: dict[str, int] = {}
    first: dict[str, str] = {}
    templates: dict[str, int] = {}
    units = [first.setdefault(prompt.hash, prompt.unit) for prompt in prompts]
    index = [seen.setdefault(unit, len(seen)) for unit in units]
    of_unit: dict[int, int] = {}
    for unit, prompt in zip(index, prompts, strict=True):
        of_unit.setdefault(unit, templates.setdefault(prompt.template, len(templates)))
    template = [of_unit[unit] for unit in range(len(seen))]
    return Units(np.asarray(index, dtype=np.intp), np.asarray(template, dtype=np.intp))
