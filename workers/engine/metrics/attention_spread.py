"""Attention spread: how far a weight moves with the content of a prompt; the technique `attention_spread` brings it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Never

from workers.engine.metrics import Metric

if TYPE_CHECKING:
    from torch import Tensor

    from workers.engine.answers import AnswerTable


def value(logits: Tensor, answers: AnswerTable) -> Never:
    raise TypeError("attention_spread is not read off logits")


METRIC = Metric(unit="attention weight", null=1.0, rows="none", bounds=(0.0, 1.0), needs_wrong=False, value=value)
