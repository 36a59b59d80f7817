"""Everything shown is a projection of revisions and runs: rebuilt from them, it is the same."""

from typing import Any

import pytest
from django.core.management import call_command

from tests.wiki import documents
from tests.wiki.documents import DOES, IN_WORDS, KNOCK_OUT, finding, publish
from tests.wiki.work import work_off
from wiki.models import Claim, Edge, Entry, Finding, Node
from wiki.projection import circuit_hash
from workers.engine.documents.finding import Circuit

pytestmark = pytest.mark.usefixtures("neighbors")

PROJECTED = (Entry, Finding, Claim, Node, Edge)


def shown() -> dict[str, list[dict[str, Any]]]:
    """All projected rows; rows that are written anew have new ids."""
    rows = {model.__name__: list(model.objects.order_by("pk").values()) for model in PROJECTED}
    for row in rows["Node"] + rows["Edge"]:
        del row["id"]
    return rows


def write_a_history() -> None:
    publish(None, DOES, KNOCK_OUT, IN_WORDS, body="Some *prose*.")
    publish(None, {**DOES, "expect": {"at_least": 0.9}}, slug="fails")
    work_off(right=55)
    publish(None, {**DOES, "expect": {"at_least": 0.95}}, slug="fails", circuit={"nodes": []})
    publish(None, {**DOES, "statement": "New words."}, KNOCK_OUT, IN_WORDS, body="Some *prose*.")
    publish(None, KNOCK_OUT, slug="edges", circuit={"nodes": [{"component": "mlp.1"}], "edges": [["0.1", "1.0.q"]]})


def test_reprojecting_changes_nothing():
    write_a_history()
    before = shown()
    call_command("reproject", verbosity=0)
    assert shown() == before


def test_reprojecting_restores_what_was_spoilt():
    write_a_history()
    before = shown()
    Finding.objects.update(badge="verified", badge_reason="trust me", badge_detail="{}", title="?", html="?")
    Claim.objects.update(verdict="{}", outcome="holds", sentence="?", statement="?", reworded=True)
    Node.objects.update(coverage="covered")
    Edge.objects.all().delete()
    call_command("reproject", verbosity=0)
    assert shown() == before


def test_nodes_know_their_kind_layer_and_head():
    nodes = [{"component": "1.7@END", "role": None}, {"component": "mlp.0"}, {"component": "resid.2"}]
    publish(None, circuit={"nodes": nodes})
    assert [(n.component, n.kind, n.layer, n.head, n.position) for n in finding().nodes.order_by("id")] == [
        ("1.7@END", "head", 1, 7, "END"),
        ("mlp.0", "mlp", 0, None, ""),
        ("resid.2", "resid", 2, None, ""),
    ]


def test_the_prose_is_kept_as_safe_html():
    publish(None, body="Some *prose* <script>alert(1)</script>")
    assert "<em>prose</em>" in finding().html
    assert "script" not in finding().html


def test_a_claim_is_said_in_generated_words():
    publish(None, DOES, IN_WORDS)
    does, in_words = finding().claims.all()
    assert does.sentence and "Repeating what was seen" in does.sentence
    assert (in_words.sentence, in_words.runnable) == ("It looks like copying.", False)


def test_a_circuits_hash_does_not_depend_on_order_roles_or_groups():
    first = Circuit.from_json({"nodes": [{"component": "0.1"}, {"component": "1.0"}], "edges": [["0.1", "1.0"]]})
    second = Circuit.from_json(
        {
            "nodes": [{"component": "1.0", "role": "mover"}, {"component": "0.1"}],
            "edges": [["0.1", "1.0"]],
            "groups": {"all": ["0.1"]},
        }
    )
    third = Circuit.from_json({"nodes": [{"component": "1.0"}, {"component": "0.1"}]})
    assert circuit_hash(first) == circuit_hash(second) != circuit_hash(third)


def test_a_finding_page_needs_a_fixed_number_of_queries(django_assert_max_num_queries):
    publish(None, DOES, KNOCK_OUT, IN_WORDS)
    with django_assert_max_num_queries(8):
        shown = documents.finding()
        assert [claim.expectation for claim in shown.claims.all()][2] is None
        assert list(shown.nodes.all()) and not list(shown.edges.all()) and not list(shown.entry.withdrawals.all())
