"""Roles' documents: tests that can be computed, and what is no test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from workers.engine.documents.document import Invalid
from workers.engine.documents.role import Role, RoleClaim
from workers.engine.techniques.attention_pattern import Spec

SHIPPED = sorted((Path(__file__).parents[2] / "fixtures" / "roles").glob("*.json"))
INDUCTION: dict[str, Any] = {
    "technique": "attention_pattern",
    "spec": {"components": ["$head[induction]"]},
    "expect": {"at_least": 0.4},
}
INTO_QUERIES: dict[str, Any] = {
    "technique": "path_patching",
    "spec": {
        "metric": "logit_diff",
        "components": ["$head"],
        "receivers": ["$name-mover.q"],
        "corruption": "$any",
        "direction": "noise",
    },
}


def role(*claims: dict[str, Any], technique: str | None = None) -> Role:
    test = {"words": "Look.", "level": "primary", "technique": technique, "claims": list(claims)}
    return Role.from_json({"slug": "r", "title": "R", "definition": "D", "decided_by": "attention", "test": test})


def test_the_head_is_put_into_the_test() -> None:
    test = RoleClaim.from_json(INDUCTION)
    assert test.of("5.1", {}) == Spec.from_json({"components": ["5.1[induction]"]})


def test_the_circuits_heads_of_another_role_are_written_out() -> None:
    test = RoleClaim.from_json(INTO_QUERIES)
    spec = test.of("0.2", {"name-mover": ("9.9", "9.6")})
    assert spec.values()["receivers"] == ["9.6.q", "9.9.q"]
    assert test.left_open == {"corruption"}
    with pytest.raises(Invalid, match="the circuit has no name-mover"):
        test.of("0.2", {})


def test_a_role_without_a_computed_test_says_so() -> None:
    assert role().test.claims == ()
    assert role(INDUCTION, technique="attention_pattern").test.technique == "attention_pattern"


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        ({**INDUCTION, "technique": "telepathy"}, "telepathy"),
        ({**INDUCTION, "spec": {"components": ["1.2[induction]"]}}, "name the head that is tested"),
        ({**INDUCTION, "spec": {"components": ["$head"]}}, "is no attention entry"),
        ({**INDUCTION, "spec": {**INDUCTION["spec"], "depth": 3}}, "not known here"),
        ({**INDUCTION, "expect": {"rank_at_most": 3, "component": "1.2"}}, "not a ranking"),
    ],
)
def test_what_could_not_be_claimed_is_no_test(claim: dict[str, Any], said: str) -> None:
    with pytest.raises(Invalid, match=said):
        RoleClaim.from_json(claim)


def test_the_technique_is_that_of_the_first_claim() -> None:
    with pytest.raises(Invalid, match="write that of the first claim"):
        role(INDUCTION, technique="ablation")


def test_a_role_that_was_written_before_there_were_computed_tests_keeps_its_words_and_its_hash() -> None:
    old = role(technique="ablation")
    assert old.test.claims == () and "claims" not in old.values()["test"]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_roles_have_tests_that_can_be_claimed(path: Path) -> None:
    shipped = Role.read(path.read_bytes())
    assert Role.from_json(shipped.values()) == shipped
