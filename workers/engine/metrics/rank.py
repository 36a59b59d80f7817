"""Rank of the likeliest right token in the whole vocabulary; 1 is the first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.engine.metrics import Metric

if TYPE_CHECKING:
    from torch import Tensor

    from workers.engine.answers import AnswerTable


def value(logits: Tensor, answers: AnswerTable) -> Tensor:
    """(batch, n_reads, vocabulary) -> (batch,). Equal logits count as ahead of none."""
    right = logits.gather(-1, answers.right).masked_fill(~answers.right_real, float("-inf"))
    best = right.amax(-1, keepdim=True)  # (batch, n_reads, 1)
    ahead = (logits > best).sum(-1)
    return answers.mean(1.0 + ahead.float())


METRIC = Metric(unit="rank", null=None, rows="all", bounds=(1.0, None), needs_wrong=False, value=value)
