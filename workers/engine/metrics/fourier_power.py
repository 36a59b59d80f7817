"""Fourier power: the share of a matrix in some frequencies; the technique `fourier_power` brings it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Never

from workers.engine.metrics import Metric

if TYPE_CHECKING:
    from torch import Tensor

    from workers.engine.answers import AnswerTable


def value(logits: Tensor, answers: AnswerTable) -> Never:
    raise TypeError("Fourier power is not read off logits")


METRIC = Metric(unit="share of power", null=0.0, rows="none", bounds=(0.0, 1.0), needs_wrong=False, value=value)
