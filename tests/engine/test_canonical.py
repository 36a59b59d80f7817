"""Canonical text: the same thing has the same hash, and what has no canonical form is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.engine.documents.canonical import NotCanonical, canonical, parse, sha256

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(-(2.0**53) + 1, 2.0**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=10,
)


@given(VALUES)
def test_canonical_text_is_a_fixed_point(value: Any) -> None:
    assert canonical(parse(canonical(value))) == canonical(value)


def test_key_order_and_number_spelling_do_not_matter() -> None:
    assert canonical(parse('{"b": 1.0, "a": 2}')) == canonical(parse('{"a":2.0,"b":1}')) == '{"a":2,"b":1}'


def test_a_letter_with_its_accent_is_one_letter() -> None:
    assert canonical("e\u0301") == canonical("\u00e9")


@pytest.mark.parametrize(
    "text", ['{"a": 1, "a": 2}', '{"a": NaN}', "[Infinity]", "{", '{"a": 99999999999999999999}', "[" * 100_000]
)
def test_what_has_no_canonical_form_is_refused(text: str) -> None:
    with pytest.raises(NotCanonical):
        parse(text)


def test_two_keys_that_normalize_to_one_are_refused() -> None:
    with pytest.raises(NotCanonical, match="twice"):
        parse('{"e\u0301": 1, "\u00e9": 2}')


def test_the_hash_is_of_the_bytes() -> None:
    assert sha256("") == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
