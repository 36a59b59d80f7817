"""Generated match: whether every one of a prompt's answers is the most likely token where it is read.

Where the answers follow each other behind the prompt ("scoring": "sequence") and each has one right token, this is
whether greedy generation writes the whole answer: up to the first token that is not the likeliest both have read the
same. One miss makes it 0, where accuracy would count the share of hits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.engine.metrics import Metric

if TYPE_CHECKING:
    from torch import Tensor

    from workers.engine.answers import AnswerTable


def value(logits: Tensor, answers: AnswerTable) -> Tensor:
    """(batch, n_reads, vocabulary) -> (batch,), 0 or 1."""
    return (answers.hits(logits) | ~answers.real).all(-1).float()


METRIC = Metric(
    unit="share of prompts",
    null=None,
    rows="all",
    bounds=(0.0, 1.0),
    needs_wrong=False,
    value=value,
    least_chance=0.0,
)
