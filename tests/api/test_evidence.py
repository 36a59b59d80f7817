"""/api/v1/claims/, runs/, heads/ and schemas/, and the OpenAPI document."""

import json

import pytest

from tests.wiki import documents
from tests.wiki.documents import DOES, KNOCK_OUT
from tests.wiki.work import work_off
from wiki import actions
from wiki.models import Run

pytestmark = pytest.mark.usefixtures("neighbors")


@pytest.fixture
def measured(people, neighbors) -> None:
    documents.publish(people.ada, DOES, KNOCK_OUT)
    work_off()


@pytest.mark.usefixtures("measured")
def test_claims_are_filtered_by_verdict(anyone):
    held = anyone.get("/api/v1/claims/?verdict=holds&finding=copying").json()["results"]
    assert {claim["id"] for claim in held} == {"does", "knock-out"}
    assert anyone.get("/api/v1/claims/?verdict=fails").json()["results"] == []
    assert anyone.get("/api/v1/claims/?technique=ablation").json()["results"][0]["finding"] == "copying"


@pytest.mark.usefixtures("measured")
def test_a_finished_run_shows_its_numbers_and_its_seed(anyone):
    run = Run.objects.exclude(seed="").filter(measurement__control_of=None).first()
    shown = anyone.get(f"/api/v1/runs/{run.pk}/").json()
    assert (shown["state"], shown["seed"]) == ("finished", run.seed)
    assert len(shown["numbers"]["prompts"]) == 64
    rows = anyone.get("/api/v1/runs/?state=finished").json()["results"]
    assert len(rows) == 7
    assert "numbers" not in rows[0]


def test_the_seed_of_a_draw_that_has_not_finished_is_nobodys_business(anyone, people):
    documents.publish(people.ada, DOES)
    run = Run.objects.exclude(seed="").first()
    assert run.seed not in json.dumps(anyone.get(f"/api/v1/runs/{run.pk}/").json())
    assert run.seed not in json.dumps(anyone.get("/api/v1/findings/copying/bundle/").json())


@pytest.mark.usefixtures("measured")
def test_heads_are_found_over_all_findings(anyone):
    found = anyone.get("/api/v1/heads/?model=small&head=1.0").json()["results"]
    assert [(row["finding"], row["head"], row["coverage"]) for row in found] == [("copying", "1.0", "covered")]
    assert anyone.get("/api/v1/heads/?head=1.0").status_code == 400


def test_schemas_are_there_by_name(anyone):
    names = anyone.get("/api/v1/schemas/").json()
    assert {"finding", "behavior", "model", "role"} == set(names["documents"])
    for name in [*names["documents"], *names["techniques"], *names["prompts"]]:
        assert anyone.get(f"/api/v1/schemas/{name}/").json()["type"] == "object"
    assert anyone.get("/api/v1/schemas/nothing/").status_code == 404


def test_the_openapi_document_lists_every_resource(anyone):
    described = anyone.get("/api/v1/openapi/?format=json").json()
    assert {"/api/v1/findings/", "/api/v1/findings/{slug}/bundle/", "/api/v1/heads/"} <= set(described["paths"])


def test_a_revoked_token_writes_nothing(people):
    from rest_framework.test import APIClient

    token = actions.make_token(people.ada)
    people.ada.auth_token_set.all().delete()
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {token}")
    document = json.dumps(documents.document(DOES))
    assert client.post("/api/v1/findings/", document, content_type="application/json").status_code == 401
