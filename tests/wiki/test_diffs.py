"""Differences are read line by line, fields in the order people write them."""

from wiki.diffs import differences, readable

ROLE = '{"definition":"d","decided_by":"causal","slug":"a","test":{"words":"w","level":"memory"},"title":"A"}'


def test_a_changed_field_is_one_line_out_and_one_in():
    old, new = ROLE, ROLE.replace('"A"', '"New"')
    rows = [(row.kind, row.text.strip()) for row in differences("role", old, new)]
    assert ("removed", '"title": "A",') in rows and ("added", '"title": "New",') in rows


def test_the_same_document_written_otherwise_has_no_differences():
    assert differences("role", ROLE, ROLE.replace(",", ", ").replace(":", ": ")) == []


def test_fields_stand_in_the_order_of_the_document_type():
    lines = readable("role", ROLE).splitlines()
    assert lines[1].strip().startswith('"kind"') and lines[2].strip().startswith('"slug"')


def test_a_text_that_is_no_json_is_shown_as_it_stands():
    assert readable("role", "{oops") == "{oops"
