"""Retrieval: the share of answers that a head looks at most just before they are given; `retrieval_score` brings it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Never

from workers.engine.metrics import Metric

if TYPE_CHECKING:
    from torch import Tensor

    from workers.engine.answers import AnswerTable


def value(logits: Tensor, answers: AnswerTable) -> Never:
    raise TypeError("retrieval is not read off logits")


METRIC = Metric(unit="share of answers", null=0.0, rows="none", bounds=(0.0, 1.0), needs_wrong=False, value=value)
