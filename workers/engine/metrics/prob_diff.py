"""Probability difference: of the right tokens together minus that of the wrong ones together.

The metric of the greater-than task: years after the one that is named, minus years up to it (Hanna et al. 2023, arXiv
2305.00586).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.engine.metrics import Metric

if TYPE_CHECKING:
    from torch import Tensor

    from workers.engine.answers import AnswerTable


def value(logits: Tensor, answers: AnswerTable) -> Tensor:
    """(batch, n_reads, vocabulary) -> (batch,)."""
    return answers.mean(answers.log_prob_of_right(logits).exp() - answers.log_prob_of_wrong(logits).exp())


METRIC = Metric(
    unit="probability",
    null=0.0,
    rows="all",
    bounds=(-1.0, 1.0),
    needs_wrong=True,
    value=value,
    least_chance=0.0,
)
