"""OV eigenvalues: their sum over the sum of their sizes; the technique `ov_eigenvalues` brings it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Never

from workers.engine.metrics import Metric

if TYPE_CHECKING:
    from torch import Tensor

    from workers.engine.answers import AnswerTable


def value(logits: Tensor, answers: AnswerTable) -> Never:
    raise TypeError("ov_eigenvalues is not read off logits")


METRIC = Metric(unit="share of eigenvalues", null=0.0, rows="none", bounds=(None, None), needs_wrong=False, value=value)
