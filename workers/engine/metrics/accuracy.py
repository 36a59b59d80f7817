"""Accuracy: whether the most likely token of the whole vocabulary is among the right ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.engine.metrics import Metric

if TYPE_CHECKING:
    from torch import Tensor

    from workers.engine.answers import AnswerTable


def value(logits: Tensor, answers: AnswerTable) -> Tensor:
    """(batch, n_reads, vocabulary) -> (batch,)."""
    return answers.mean(answers.hits(logits).float())


METRIC = Metric(
    unit="share of answers",
    null=None,
    rows="all",
    bounds=(0.0, 1.0),
    needs_wrong=False,
    value=value,
    least_chance=0.0,
)
