"""Log-probability of the right tokens together, in nats."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.engine.metrics import Metric

if TYPE_CHECKING:
    from torch import Tensor

    from workers.engine.answers import AnswerTable


def value(logits: Tensor, answers: AnswerTable) -> Tensor:
    """(batch, n_reads, vocabulary) -> (batch,)."""
    return answers.mean(answers.log_prob_of_right(logits))


METRIC = Metric(
    unit="nats",
    null=None,
    rows="all",
    bounds=(None, 0.0),
    needs_wrong=False,
    value=value,
    least_chance=float("-inf"),
    scale=1.0,
)
