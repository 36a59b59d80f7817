"""Where a batch of prompts is read, and which tokens are right or wrong there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from workers.engine.prompts import Answer, Prompt


@dataclass(frozen=True)
class AnswerTable:
    """Answers of equally long prompts, padded to the longest list; padding repeats an answer and is masked.

    clean: log-probabilities of the untouched run at the read positions, which KL is measured from.
    """

    reads: Tensor  # (batch, n_reads) token index whose next token is read
    real: Tensor  # (batch, n_reads) bool
    right: Tensor  # (batch, n_reads, n_right) token ids
    right_real: Tensor  # (batch, n_reads, n_right) bool
    wrong: Tensor  # (batch, n_reads, n_wrong) token ids; n_wrong may be 0
    wrong_real: Tensor  # (batch, n_reads, n_wrong) bool
    clean: Tensor | None = None  # (batch, n_reads, vocabulary)

    def mean(self, values: Tensor) -> Tensor:
        """(batch, n_reads) -> (batch,): the mean within each prompt over its own answers."""
        return (values * self.real).sum(-1) / self.real.sum(-1)

    def mean_of_right(self, logits: Tensor) -> Tensor:
        """(batch, n_reads, rows) -> (batch, n_reads): mean over the right tokens."""
        return _masked_mean(logits.float().gather(-1, self.right), self.right_real)

    def mean_of_wrong(self, logits: Tensor) -> Tensor:
        """(batch, n_reads, rows) -> (batch, n_reads): mean over the wrong tokens."""
        return _masked_mean(logits.float().gather(-1, self.wrong), self.wrong_real)

    def log_prob_of_right(self, logits: Tensor) -> Tensor:
        """(batch, n_reads, vocabulary) -> (batch, n_reads): log of the right tokens' probabilities summed."""
        return _log_prob(logits, self.right, self.right_real)

    def log_prob_of_wrong(self, logits: Tensor) -> Tensor:
        """(batch, n_reads, vocabulary) -> (batch, n_reads): log of the wrong tokens' probabilities summed."""
        return _log_prob(logits, self.wrong, self.wrong_real)

    def hits(self, logits: Tensor) -> Tensor:
        """(batch, n_reads, vocabulary) -> (batch, n_reads) bool: whether the most likely token is a right one.

        Of equal logits the first token counts as the most likely.
        """
        likeliest = logits.argmax(-1, keepdim=True)  # (batch, n_reads, 1)
        return ((self.right == likeliest) & self.right_real).any(-1)

    @property
    def rows(self) -> Tensor:
        """(batch, n_reads, n_right + n_wrong): the only unembedding rows that answer metrics need."""
        import torch

        return torch.cat((self.right, self.wrong), dim=-1)

    def in_rows(self) -> AnswerTable:
        """The same table with tokens numbered by their place in `rows`, for logits of those rows only."""
        import torch

        columns = torch.arange(self.rows.shape[-1], device=self.right.device).expand(self.rows.shape)
        n_right = self.right.shape[-1]
        return replace(self, right=columns[..., :n_right], wrong=columns[..., n_right:])

    def with_clean(self, logits: Tensor) -> AnswerTable:
        """With the untouched run's logits (batch, n_reads, vocabulary) as what KL is measured from."""
        return replace(self, clean=logits.float().log_softmax(-1))


def answer_table(prompts: Sequence[Prompt], device: str | torch.device = "cpu") -> AnswerTable:
    """Prompts must be equally long; each states at least one answer."""
    import torch

    most = max(len(prompt.answers) for prompt in prompts)
    answers = [_padded(prompt.answers, most) for prompt in prompts]
    real = [
        [index < len(prompt.answers) for index in range(len(row))] for prompt, row in zip(prompts, answers, strict=True)
    ]
    right, right_real = _tokens([[answer.right for answer in row] for row in answers], device)
    wrong, wrong_real = _tokens([[answer.wrong for answer in row] for row in answers], device)
    reads = torch.tensor([[answer.position for answer in row] for row in answers], device=device)
    return AnswerTable(reads, torch.tensor(real, device=device), right, right_real, wrong, wrong_real)


def _padded(answers: tuple[Answer, ...], length: int) -> tuple[Answer, ...]:
    assert answers, "a prompt without an answer cannot be measured"
    return (*answers, *[answers[-1]] * (length - len(answers)))


def _tokens(sets: list[list[tuple[int, ...]]], device: str | torch.device) -> tuple[Tensor, Tensor]:
    """Token sets -> ids and mask, (batch, n_reads, widest set)."""
    import torch

    width = max(map(len, chain.from_iterable(sets)))
    ids = [[[*tokens, *[0] * (width - len(tokens))] for tokens in row] for row in sets]
    real = [[[True] * len(tokens) + [False] * (width - len(tokens)) for tokens in row] for row in sets]
    shape = (len(sets), len(sets[0]), width)
    return (
        torch.tensor(ids, dtype=torch.long, device=device).reshape(shape),
        torch.tensor(real, dtype=torch.bool, device=device).reshape(shape),
    )


def _masked_mean(values: Tensor, real: Tensor) -> Tensor:
    return (values * real).sum(-1) / real.sum(-1)


def _log_prob(logits: Tensor, tokens: Tensor, real: Tensor) -> Tensor:
    """(batch, n_reads, vocabulary), (batch, n_reads, n) and its mask -> (batch, n_reads)."""
    log_probs = logits.float().log_softmax(-1).gather(-1, tokens)  # (batch, n_reads, n)
    return log_probs.masked_fill(~real, float("-inf")).logsumexp(-1)
