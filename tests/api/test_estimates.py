"""/api/v1/estimates/: what checking a finding would cost, before it is published."""

import pytest

from tests.wiki.documents import DOES, KNOCK_OUT, document
from wiki.models import Entry, Kind, Measurement, Run
from workers.engine.cost import TERA

pytestmark = pytest.mark.usefixtures("neighbors")
URL = "/api/v1/estimates/"


def test_an_estimate_tells_runs_and_cost_and_publishes_nothing(ada):
    answer = ada.post(URL, document(DOES, KNOCK_OUT))
    assert answer.status_code == 200
    told = answer.json()
    assert [(claim["claim"], claim["runs"]) for claim in told["claims"]] == [("does", 2), ("knock-out", 5)]
    assert told["runs"] == 7
    assert told["tflop"] == pytest.approx(sum(claim["tflop"] for claim in told["claims"]))
    assert 0 < told["tflop"] < told["quota_left_tflop"]
    assert "4,096 prompts" in told["claims"][0]["words"]
    assert not Entry.objects.filter(kind=Kind.FINDING).exists() and not Run.objects.exists()


def test_what_stands_in_the_way_is_told(ada, settings):
    settings.QUOTA_AGENT = 1
    assert ada.post("/api/v1/findings/", document(DOES)).status_code == 201
    Measurement.objects.update(cost=TERA)
    (claim,) = ada.post(URL, document(KNOCK_OUT, slug="another")).json()["claims"]
    agent = Run.objects.first().agent
    assert len(agent) == 8
    assert claim["obstacle"] == f"waits: the quota of ada's agent {agent}… is used up for today"


def test_a_document_that_could_not_be_published_is_refused_with_what_to_change(ada):
    answer = ada.post(URL, document(DOES | {"expect": {"at_least": "much"}}))
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["problems"][0]["path"].startswith("claims.0.expect")


def test_whoever_is_not_signed_in_gets_no_estimate(client):
    assert client.post(URL, document(DOES), content_type="application/json").status_code == 401
