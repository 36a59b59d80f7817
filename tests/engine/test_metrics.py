"""Metrics, on logits whose answers can be worked out by hand."""

from __future__ import annotations

from math import exp, log

import pytest
import torch

from workers.engine.answers import AnswerTable, answer_table
from workers.engine.metrics import METRICS
from workers.engine.prompts import Answer, Prompt


def prompt(*answers: Answer) -> Prompt:
    return Prompt(text="a prompt", tokens=(0, 1, 2), answers=answers)


# softmax of (log 1, log 2, log 5) is (1/8, 2/8, 5/8)
EIGHTHS = torch.tensor([log(1), log(2), log(5)])
UNIFORM = torch.zeros(3)

ONE = answer_table([prompt(Answer(2, right=(1,), wrong=(2,)))])
ONE_LOGITS = EIGHTHS.expand(1, 1, 3)
SETS = answer_table([prompt(Answer(2, right=(0, 1), wrong=(2,)))])
TWO = answer_table(
    [
        prompt(Answer(1, right=(2,), wrong=(0,)), Answer(2, right=(0,), wrong=(1,))),
        prompt(Answer(0, right=(1,), wrong=(0, 2))),
    ]
)
TWO_LOGITS = torch.stack([torch.stack([EIGHTHS, UNIFORM]), torch.stack([EIGHTHS, EIGHTHS])])


def value(metric: str, logits: torch.Tensor, answers: AnswerTable) -> list[float]:
    return METRICS[metric].value(logits, answers).tolist()


@pytest.mark.parametrize(
    ("metric", "by_hand"),
    [
        ("logit", log(2)),
        ("logit_diff", log(2) - log(5)),
        ("prob", 2 / 8),
        ("prob_diff", 2 / 8 - 5 / 8),
        ("logprob", log(2 / 8)),
        ("sequence_logprob", log(2 / 8)),
        ("loss", -log(2 / 8)),
        ("accuracy", 0.0),
        ("generated_match", 0.0),
        ("rank", 2.0),
    ],
)
def test_one_right_token(metric: str, by_hand: float) -> None:
    assert value(metric, ONE_LOGITS, ONE) == pytest.approx([by_hand])


@pytest.mark.parametrize(
    ("metric", "by_hand"),
    [
        ("logit", log(2) / 2),
        ("logit_diff", log(2) / 2 - log(5)),
        ("prob", 3 / 8),
        ("prob_diff", 3 / 8 - 5 / 8),
        ("logprob", log(3 / 8)),
        ("sequence_logprob", log(3 / 8)),
        ("loss", -log(3 / 8)),
        ("accuracy", 0.0),
        ("rank", 2.0),
    ],
)
def test_of_a_set_probabilities_add_up_and_logits_are_averaged(metric: str, by_hand: float) -> None:
    assert value(metric, ONE_LOGITS, SETS) == pytest.approx([by_hand])


@pytest.mark.parametrize(
    ("metric", "by_hand"),
    [
        ("logit_diff", [(log(5) - 0 + 0) / 2, log(2) - log(5) / 2]),
        ("prob", [(5 / 8 + 1 / 3) / 2, 2 / 8]),
        ("prob_diff", [(5 / 8 - 1 / 8) / 2, 2 / 8 - 6 / 8]),
        ("accuracy", [1.0, 0.0]),
        ("rank", [1.0, 2.0]),
    ],
)
def test_several_answers_are_averaged_within_their_prompt(metric: str, by_hand: list[float]) -> None:
    assert value(metric, TWO_LOGITS, TWO) == pytest.approx(by_hand)


def test_of_all_answers_together_one_miss_is_a_miss_and_the_log_probabilities_add_up() -> None:
    """Of the second prompt one answer is read, and the place kept for another one counts for nothing."""
    answers = answer_table([prompt(Answer(0, right=(2,)), Answer(1, right=(0,))), prompt(Answer(0, right=(2,)))])
    missed = torch.stack([torch.stack([EIGHTHS, EIGHTHS]), torch.stack([EIGHTHS, UNIFORM])])
    assert value("accuracy", missed, answers) == [0.5, 1.0]
    assert value("generated_match", missed, answers) == [0.0, 1.0]
    assert value("generated_match", missed.flip(0), answers) == [1.0, 1.0]
    assert value("sequence_logprob", missed, answers) == pytest.approx([log(5 / 8) + log(1 / 8), log(5 / 8)])


def test_of_equal_logits_the_first_is_the_likeliest_and_none_is_ahead() -> None:
    tied = UNIFORM.expand(1, 1, 3)
    assert value("accuracy", tied, ONE) == [0.0]
    assert value("rank", tied, ONE) == [1.0]


def test_kl_is_of_the_clean_distribution_from_this_one() -> None:
    by_hand = sum(p * (log(p) - log(1 / 3)) for p in (1 / 8, 2 / 8, 5 / 8))
    assert value("kl", UNIFORM.expand(1, 1, 3), ONE.with_clean(ONE_LOGITS)) == pytest.approx([by_hand])
    assert value("kl", ONE_LOGITS, ONE.with_clean(ONE_LOGITS)) == [0.0]


def test_the_answers_rows_give_the_same_as_the_whole_vocabulary() -> None:
    rows = TWO_LOGITS.gather(-1, TWO.rows)
    for metric in ("logit", "logit_diff"):
        assert METRICS[metric].rows == "answers"
        assert value(metric, rows, TWO.in_rows()) == value(metric, TWO_LOGITS, TWO)


def test_every_metric_stays_within_its_bounds() -> None:
    logits = torch.randn(50, 1, 3, generator=torch.Generator().manual_seed(0)) * 10
    answers = answer_table([prompt(Answer(2, right=(1,), wrong=(2,)))] * 50).with_clean(torch.zeros(50, 1, 3))
    for name, metric in METRICS.items():
        if metric.rows != "none":
            low, high = metric.bounds
            found = value(name, logits, answers)
            assert low is None or min(found) >= low - 1e-6, name
            assert high is None or max(found) <= high + 1e-6, name


def test_attention_is_not_read_off_logits() -> None:
    with pytest.raises(TypeError, match="not read off logits"):
        value("attention", ONE_LOGITS, ONE)


def test_probability_of_a_certain_token_is_one() -> None:
    certain = torch.tensor([[[0.0, 200.0, 0.0]]])
    assert value("prob", certain, ONE) == [1.0]
    assert value("loss", certain, ONE) == [0.0]
    assert value("logprob", torch.tensor([[[0.0, -3.0, 0.0]]]), ONE) == pytest.approx([-3 - log(2 + exp(-3))])
