"""The component grammar."""

from __future__ import annotations

import pytest

from workers.engine.documents.components import Component, NotAComponent, Position, component, group_of


@pytest.mark.parametrize(
    "text",
    [
        *("9.9", "9.9@END", "9.9.q", "9.9.k@S1", "9.9.v", "9.9.pattern", "9.9[END>IO]", "9.9[S1+1>S2-1]"),
        *("9.9[induction]", "mlp.3", "mlp.3@END", "mlp.3.512", "attn.4", "resid.5", "embed", "logits", "9.9@S1+1"),
        *("9.*", "*.*", "mlp.*", "attn.*", "*.*@END"),
    ],
)
def test_a_component_is_written_as_it_was_read(text: str) -> None:
    assert str(component(text)) == text


@pytest.mark.parametrize(
    "text", ["", "9", "9.", "a.b", "9.9.z", "9.9@", "9.9@1", "mlp", "mlp.3.4.5", "attn.3.1", "9.9[END]", "9.9[END>]"]
)
def test_what_is_no_component_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(NotAComponent, match="write"):
        component(text)


def test_an_entry_takes_no_position_of_its_own() -> None:
    with pytest.raises(NotAComponent, match="already says where"):
        component("9.9[END>IO]@END")


def test_a_positioned_component_covers_only_its_own_position() -> None:
    everywhere, at_end, at_s2 = component("9.9"), component("9.9@END"), component("9.9@S2")
    assert everywhere.covers(at_end) and everywhere.covers(everywhere) and at_end.covers(at_end)
    assert not at_end.covers(everywhere)
    assert not at_end.covers(at_s2)
    assert not component("9.8").covers(at_end)


def test_a_head_covers_not_its_query() -> None:
    assert not component("9.9").covers(component("9.9.q"))


def test_groups_are_told_from_components() -> None:
    assert group_of("#name-movers@END") == ("name-movers", Position("END"))
    assert group_of("#backups") == ("backups", None)
    assert group_of("9.9") is None
    with pytest.raises(NotAComponent):
        group_of("#Name Movers")


def test_heads_sort_by_number_and_not_by_letter() -> None:
    places = [component(text) for text in ("10.0", "9.10", "9.9", "mlp.2")]
    assert [str(place) for place in sorted(places, key=lambda place: place.sort_key)] == [
        "9.9",
        "9.10",
        "10.0",
        "mlp.2",
    ]


def test_wildcards_are_told_from_single_components() -> None:
    assert component("9.*").is_wildcard and component("mlp.*").is_wildcard
    assert not component("9.0").is_wildcard and not component("embed").is_wildcard
    assert component("9.*") == Component(kind="head", layer=9)
