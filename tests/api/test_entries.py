"""/api/v1/behaviors/, models/ and roles/."""

import json

import pytest

from tests.wiki import documents

ROLE = {
    "slug": "copier",
    "title": "Copier",
    "definition": "Copies.",
    "decided_by": "causal",
    "test": {"words": "Take it away.", "level": "primary"},
}
ENTRIES = [("behaviors", documents.BEHAVIOR), ("models", documents.MODEL), ("roles", ROLE)]


def write(client, kind, document):
    return client.post(f"/api/v1/{kind}/", json.dumps(document), content_type="application/json")


@pytest.mark.parametrize(("kind", "document"), ENTRIES)
def test_a_steward_writes_every_kind_and_anyone_reads_it(bo, anyone, kind, document):
    assert write(bo, kind, document).status_code == 201
    found = anyone.get(f"/api/v1/{kind}/{document['slug']}/").json()
    assert (found["slug"], found["title"], found["revision"]["number"]) == (document["slug"], document["title"], 1)
    assert found["document"]["title"] == document["title"]
    assert [row["slug"] for row in anyone.get(f"/api/v1/{kind}/").json()["results"]] == [document["slug"]]


def test_models_are_written_by_stewards_only(ada):
    answer = write(ada, "models", documents.MODEL)
    assert answer.status_code == 403
    assert "stewards" in answer.json()["detail"]


def test_a_bad_behavior_is_refused_with_its_path(ada):
    answer = write(ada, "behaviors", {**documents.BEHAVIOR, "prompts": {"default": {"generator": "templates"}}})
    assert answer.status_code == 400
    assert "did you mean 'template'" in answer.json()["problems"][0]["message"]
