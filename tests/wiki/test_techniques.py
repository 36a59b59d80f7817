"""Every technique has a page: what it tests, its pitfalls, its sources, and an example that can be stated."""

import json
import re

import pytest
from django.urls import reverse

from wiki.views.techniques import PAGES, lead_of
from workers.engine.techniques import TECHNIQUES

SECTIONS = (
    "What it tests",
    "How it is computed",
    "What changes the number",
    "Pitfalls",
    "When a claim of it counts",
    "Sources",
)
pytestmark = pytest.mark.django_db


def written(key):
    return (PAGES / f"{key}.md").read_text(encoding="utf-8")


def test_there_is_a_page_for_each_technique_and_for_nothing_else():
    assert {path.stem for path in PAGES.glob("*.md")} == set(TECHNIQUES)


@pytest.mark.parametrize("key", TECHNIQUES)
def test_a_page_has_every_section_and_an_example_that_its_spec_reads(key):
    page = written(key)
    assert page.startswith("# ")
    assert [name for name in SECTIONS if f"\n## {name}\n" not in page] == []
    (example,) = (json.loads(text) for text in re.findall(r"```json\n(.*?)```", page, re.DOTALL)[:1])
    assert example["technique"] == key
    TECHNIQUES[key].spec.from_json(example["spec"])


@pytest.mark.parametrize("key", TECHNIQUES)
def test_a_page_leaves_nothing_out_that_is_written(key):
    """A backslash before a space is gone from the page: what is without K is written with its own sign."""
    assert "\\ " not in written(key)


@pytest.mark.parametrize("key", TECHNIQUES)
def test_a_technique_begins_with_what_it_does_and_where_that_comes_from(key):
    assert len(lead_of(key)) > 30 and "`" not in lead_of(key)
    assert re.search(r"[.?] ", lead_of(key)) is None and lead_of(key)[-1] in ".?"


@pytest.mark.parametrize("key", TECHNIQUES)
def test_a_page_is_shown_with_its_pitfalls(client, key):
    shown = client.get(reverse("technique", args=[key.replace("_", "-")]))
    assert shown.status_code == 200
    assert b"Pitfalls" in shown.content and b"Claims made with it" in shown.content


def test_the_list_names_them_all_and_tells_those_that_intervene_from_those_that_read(client):
    intervening, reading = client.get(reverse("techniques")).content.decode().split("Those that read")
    for key, technique in TECHNIQUES.items():
        assert f"/techniques/{key.replace('_', '-')}/" in (intervening if technique.causal else reading)


def test_the_list_is_no_table_and_counts_the_claims_of_each(client):
    shown = client.get(reverse("techniques")).content.decode()
    assert shown.count("no claim made with it yet") == len(TECHNIQUES)
    assert '<a href="/techniques/ov-copying/">OV copying</a>' in shown


def test_a_technique_that_is_not_there_is_not_found(client):
    assert client.get("/techniques/telepathy/").status_code == 404
    assert client.get("/techniques/activation_patching/").status_code == 404
