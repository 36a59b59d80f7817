"""The generated sentence says what the spec says: direction, unit, given, contrast, corruption, prompts."""

from __future__ import annotations

from typing import Any

import pytest

from workers.engine.documents.finding import Claim
from workers.engine.sentence import number, sentence

GROUPS = {"movers": ("10.0", "9.9")}


def say(expect: dict[str, Any], technique: str = "ablation", kind: str = "effect", **spec: Any) -> str:
    stated = {"metric": "logit_diff", "components": ["0.0", "0.1"], **spec}
    if technique == "behavior":
        del stated["components"]
    claim = {"id": "a", "statement": "The opposite.", "technique": technique, "kind": kind, "spec": stated}
    return sentence(Claim.from_json({**claim, "expect": expect}), "Induction", GROUPS)


def test_a_change_says_its_direction_and_unit() -> None:
    assert say({"at_most": -0.5}, metric="accuracy") == (
        "Replacing 0.0 and 0.1 by the mean over other prompts changes the mean accuracy on Induction by "
        "\N{MINUS SIGN}0.5 or less (share of answers, a fall)."
    )


def test_a_group_is_said_by_its_members_and_not_by_its_name() -> None:
    said = say({"at_most": -0.5}, components=["#movers@END", "0.*"])
    assert said.startswith("Replacing 0.*, 9.9@END and 10.0@END by") and "movers" not in said


def test_a_statement_that_says_the_opposite_of_its_spec_is_not_quoted() -> None:
    assert "opposite" not in say({"at_most": -0.5})


@pytest.mark.parametrize(
    ("expect", "says"),
    [
        ({"at_least": 0.5}, "by 0.5 or more (logits, a rise)"),
        ({"at_most": 0.5}, "by 0.5 or less (logits)"),
        ({"value": -1.0, "tolerance": 0.25}, "by \N{MINUS SIGN}1 \N{PLUS-MINUS SIGN} 0.25 (logits, a fall)"),
        ({"between": [1, 2]}, "by between 1 and 2 (logits, a rise)"),
    ],
)
def test_amounts(expect: dict[str, Any], says: str) -> None:
    assert say(expect).endswith(f"changes the mean logit diff on Induction {says}.")


def test_the_untouched_model() -> None:
    expected = "Running the model untouched gives a mean logit diff on Induction of 3 or more (logits)."
    assert say({"at_least": 3.0}, technique="behavior") == expected


@pytest.mark.parametrize(("direction", "moved"), [("denoise", "recovered"), ("noise", "lost")])
def test_patching_names_its_corruption_and_direction(direction: str, moved: str) -> None:
    said = say({"at_least": 0.3}, technique="activation_patching", corruption="abc", direction=direction)
    share = f"gives a {moved} share of the difference in mean logit diff between clean and abc-corrupted prompts"
    assert f"{share} on Induction of 0.3 or more." in said


def test_kept_says_from_where() -> None:
    kept = {"report": "kept", "action": "keep_only"}
    assert "counted from where all those components are ablated, of 0.9 or more" in say({"at_least": 0.9}, **kept)
    assert "counted from zero, of 0.9 or more" in say({"at_least": 0.9}, floor="zero", **kept)


def test_other_statistics() -> None:
    assert "gives a median change in logit diff" in say({"at_least": 0.9}, statistic="median")
    share = "share of prompts (ties count half) with a change in logit diff on Induction above zero of 0.9 or more."
    assert share in say({"at_least": 0.9}, statistic="fraction")
    whole = "correlation over prompts of the logit diff on Induction with its untouched value of 0.9 or more."
    assert whole in say({"at_least": 0.9}, statistic="correlation", report="raw")


def test_given_and_contrast() -> None:
    said = say({"at_most": -0.5}, given=[{"components": ["1.1"], "ablation": "zero"}], contrast=["0.2"])
    assert "given that 1.1 is zero-ablated" in said
    assert "compared with 0.2 instead" in said
    assert said.endswith("(logits), as the difference of the two.")


@pytest.mark.parametrize(
    ("over", "says"),
    [("each", "for every one of them."), ("mean", "on average over them."), ("min", "for the least of them.")],
)
def test_over(over: str, says: str) -> None:
    assert say({"at_most": -0.5}, over=over).endswith(says)


def test_rankings() -> None:
    top = say({"top": ["0.0"], "of": 2, "order": "smallest"}, over="each")
    change = "gives a mean change in logit diff on Induction"
    assert f"{change} that is smaller for 0.0 than for any other of the 2 components." in top
    first = say({"rank_at_most": 1, "component": "0.0"}, over="each")
    assert f"{change} that for 0.0 is the largest of all components." in first
    third = say({"rank_at_most": 3, "component": "0.0"}, over="each")
    assert "is among the 3 largest of all components." in third
    exactly = say({"set_equals": ["0.0"], "threshold": -0.5, "order": "smallest"}, over="each")
    assert f"{change} below \N{MINUS SIGN}0.5 (logits) for exactly 0.0." in exactly


def test_prompts_other_than_the_default_are_named() -> None:
    assert "on Induction (novel prompts)" in say({"at_most": -0.5}, prompts="novel")
    other = {"behavior": "random-tokens", "revision": "sha256:" + "0" * 64}
    assert "on random-tokens (default prompts)" in say({"at_most": -0.5}, prompts=other)


def test_an_absence_says_so() -> None:
    said = say({"value": 0.0, "tolerance": 0.1}, kind="absence")
    assert said.endswith("by 0 \N{PLUS-MINUS SIGN} 0.1 (logits) (that is, next to nothing).")


def test_a_claim_in_words_is_quoted() -> None:
    assert sentence(Claim.from_json({"id": "a", "statement": "It is so."}), "Induction", GROUPS) == "It is so."


def test_numbers_have_a_minus_sign() -> None:
    assert (number(-0.5), number(3.0), number(1e-6)) == ("\N{MINUS SIGN}0.5", "3", "1e\N{MINUS SIGN}06")
