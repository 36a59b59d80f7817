"""Logit difference: the mean logit of the right tokens minus the mean logit of the wrong ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.engine.metrics import Metric

if TYPE_CHECKING:
    from torch import Tensor

    from workers.engine.answers import AnswerTable


def value(logits: Tensor, answers: AnswerTable) -> Tensor:
    """(batch, n_reads, rows) -> (batch,)."""
    return answers.mean(answers.mean_of_right(logits) - answers.mean_of_wrong(logits))


METRIC = Metric(
    unit="logits",
    null=0.0,
    rows="answers",
    bounds=(None, None),
    needs_wrong=True,
    value=value,
    least_chance=0.0,
    scale=1.0,
)
