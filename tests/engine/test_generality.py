"""A claim about new templates is judged template by template: many prompts of few templates are few."""

from __future__ import annotations

import pytest

from tests.engine.made_numbers import GATE, kept, numbers, spread, stake
from workers.engine.judge import judge
from workers.engine.numbers import Numbers
from workers.engine.report import Share, reported
from workers.engine.sentence import sentence
from workers.engine.statistics import interval, pooled
from workers.engine.units import units_of

BOUND = {"at_most": -0.5}


def draw(templates: int, number: int, apart: float = 0.0) -> Numbers:
    """240 prompts whose effect is -1 on average, and whose templates' means lie so far apart."""
    prompts = kept(240, templates=templates)
    shift = [apart * ((i % templates) % 2 * 2 - 1) for i in range(240)]
    edited = tuple(value + more for value, more in zip(spread(2.0, 240, seed=number), shift, strict=True))
    return numbers({"0.0": edited}, clean=(3.0,) * 240, draw=number, prompts=prompts)


def outcome(generalizes_to: str, templates: int, apart: float = 0.0) -> str:
    on = stake(BOUND, report="change", generalizes_to=generalizes_to)
    return judge(on, GATE, [draw(templates, 0, apart), draw(templates, 1, apart)], None).outcome


@pytest.mark.parametrize(
    ("generalizes_to", "templates", "apart", "found"),
    [
        ("prompts", 12, 2.0, "holds"),
        ("templates", 12, 2.0, "undecided"),
        ("templates", 12, 0.0, "holds"),
        ("templates", 10, 0.0, "holds"),
        ("templates", 9, 0.0, "undecided"),
        ("prompts", 9, 0.0, "holds"),
    ],
)
def test_templates_that_differ_or_are_few_decide_nothing_about_new_ones(
    generalizes_to: str, templates: int, apart: float, found: str
) -> None:
    assert outcome(generalizes_to, templates, apart) == found


def test_two_draws_of_the_same_templates_are_not_twice_as_many_templates() -> None:
    on = stake(BOUND, report="change", generalizes_to="templates").spec
    shares = [Share(draw(12, number, 1.0), 240) for number in (0, 1)]
    samples = [reported(on, share, share.numbers.edited, 0.0) for share in shares]
    together = pooled(samples)
    assert together.size == samples[0].size == 12
    (low,), (high,) = interval(together, 0.05)
    (one_low,), (one_high,) = interval(samples[0], 0.05)
    assert high - low > 0.9 * (one_high - one_low)


def test_prompts_of_one_template_are_one_unit_whatever_their_length() -> None:
    prompts = [one.model_copy(update={"template": f"a/{i % 3}"}) for i, one in enumerate(kept(6))]
    assert len(units_of(prompts, "templates").template) == 1
    assert len(units_of(prompts, "prompts").template) == 6


def test_the_sentence_says_so() -> None:
    from workers.engine.documents.finding import Claim

    spec = {"metric": "logit_diff", "components": ["0.0"], "generalizes_to": "templates"}
    claim = Claim.from_json({"id": "a", "technique": "ablation", "spec": spec, "expect": BOUND})
    assert "on IOI, new templates included, by" in sentence(claim, "IOI", {})
