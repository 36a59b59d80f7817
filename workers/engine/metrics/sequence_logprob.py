"""Log-probability of all of a prompt's answers together, in nats: the sum over them, where `logprob` is the mean.

Where the answers follow each other behind the prompt ("scoring": "sequence") and each has one right token, this is
the log-probability of the whole answer: log p(t1 | prompt) + log p(t2 | prompt, t1) + ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.engine.metrics import Metric

if TYPE_CHECKING:
    from torch import Tensor

    from workers.engine.answers import AnswerTable


def value(logits: Tensor, answers: AnswerTable) -> Tensor:
    """(batch, n_reads, vocabulary) -> (batch,)."""
    return (answers.log_prob_of_right(logits) * answers.real).sum(-1)


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
