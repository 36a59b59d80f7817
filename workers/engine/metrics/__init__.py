"""Metrics: what is read off the model's logits. One file each; the folder is the registry.

Each file holds `METRIC`, a Metric whose `value` function imports torch inside itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from workers.engine.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

    from workers.engine.answers import AnswerTable

Rows = Literal["answers", "all", "none"]


@dataclass(frozen=True)
class Metric:
    """`value(logits, answers)` -> (batch,): the mean over a prompt's answers, unless the metric is of all together.

    Of a set of tokens the probability is the sum and the logit the mean.

    unit: what the number counts, in words. null: the value that means "nothing" for a raw report (None where the
    behavior's chance level says it). rows: whether the answer tokens' logits suffice or the whole vocabulary is
    needed ("none": the number is not read off logits, a technique of its own brings it). bounds: the least and
    largest possible value, None where open. needs_wrong: whether answers must name wrong tokens too. least_chance: the
    lowest level a behavior may declare as chance; None where larger numbers are not those of a better model. scale: a
    change of the metric that is of interest whatever the untouched number is, which may be next to 0.
    """

    unit: str
    null: float | None
    rows: Rows
    bounds: tuple[float | None, float | None]
    needs_wrong: bool
    value: Callable[[Tensor, AnswerTable], Tensor]
    least_chance: float | None = None
    scale: float = 0.0

    @property
    def better(self) -> Literal["larger", "smaller"]:
        """Which numbers are those of a better model."""
        return "smaller" if self.least_chance is None else "larger"


METRICS: Registry[Metric] = Registry(sys.modules[__name__], "METRIC", Metric)
