"""Composition: how much of what one head writes another head's matrix reads; the technique `composition` brings it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Never

from workers.engine.metrics import Metric

if TYPE_CHECKING:
    from torch import Tensor

    from workers.engine.answers import AnswerTable


def value(logits: Tensor, answers: AnswerTable) -> Never:
    raise TypeError("composition is not read off logits")


METRIC = Metric(unit="composition score", null=0.0, rows="none", bounds=(None, None), needs_wrong=False, value=value)
