"""Attention rate: the share of a prompt's entries above a given weight; the technique `attention_rate` brings it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Never

from workers.engine.metrics import Metric

if TYPE_CHECKING:
    from torch import Tensor

    from workers.engine.answers import AnswerTable


def value(logits: Tensor, answers: AnswerTable) -> Never:
    raise TypeError("attention_rate is not read off logits")


METRIC = Metric(unit="share of entries", null=0.0, rows="none", bounds=(0.0, 1.0), needs_wrong=False, value=value)
