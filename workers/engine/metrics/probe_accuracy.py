"""Probe accuracy: the share of a prompt's two kinds that a probe tells; the technique `probe` brings it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Never

from workers.engine.metrics import Metric

if TYPE_CHECKING:
    from torch import Tensor

    from workers.engine.answers import AnswerTable


def value(logits: Tensor, answers: AnswerTable) -> Never:
    raise TypeError("a probe's accuracy is not read off logits")


METRIC = Metric(unit="accuracy", null=0.5, rows="none", bounds=(0.0, 1.0), needs_wrong=False, value=value)
