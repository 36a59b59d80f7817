"""KL divergence in nats of the next-token distributions at the read positions: sum of clean (log clean - log this).

As in circuit discovery, D(clean || this): 0 where nothing changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.engine.metrics import Metric

if TYPE_CHECKING:
    from torch import Tensor

    from workers.engine.answers import AnswerTable


def value(logits: Tensor, answers: AnswerTable) -> Tensor:
    """(batch, n_reads, vocabulary) -> (batch,)."""
    assert answers.clean is not None, "KL is measured from the untouched run: give it with AnswerTable.with_clean"
    difference = answers.clean - logits.float().log_softmax(-1)
    return answers.mean((answers.clean.exp() * difference).sum(-1))


METRIC = Metric(unit="nats", null=0.0, rows="all", bounds=(0.0, None), needs_wrong=False, value=value, scale=1.0)
