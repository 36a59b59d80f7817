"""/api/v1/findings/: what an agent reads and writes."""

import json

import pytest

from tests.wiki import documents
from tests.wiki.documents import DOES, IN_WORDS, KNOCK_OUT
from tests.wiki.work import work_off
from workers.engine.documents.bundle import Bundle

pytestmark = pytest.mark.usefixtures("neighbors")
FINDINGS = "/api/v1/findings/"
COPYING = "/api/v1/findings/copying/"


def write(client, document, method="post", address=FINDINGS, **headers):
    return getattr(client, method)(address, json.dumps(document), content_type="application/json", headers=headers)


def test_a_written_finding_is_checked_and_read_back_with_what_was_measured(ada, anyone):
    answer = write(ada, documents.document(DOES, KNOCK_OUT, IN_WORDS))
    assert (answer.status_code, answer.json()["badge"]) == (201, "checking")
    assert [claim["verdict"] for claim in answer.json()["claims"]] == [None, None, None]
    work_off()
    found = anyone.get(COPYING).json()
    does, knock_out, in_words = found["claims"]
    assert (found["slug"], found["badge"], found["behavior"], found["model"]) == (
        *("copying", "verified"),
        *("repeat", "small"),
    )
    assert (knock_out["id"], knock_out["verdict"], knock_out["specific"]) == ("knock-out", "holds", "yes")
    assert (knock_out["expect"], knock_out["measured"]) == ({"at_most": -0.3}, -1.0)
    assert knock_out["interval"][0] <= knock_out["measured"] <= knock_out["interval"][1] <= -0.3
    assert "1.0" in knock_out["sentence"]
    assert (does["verdict"], does["specific"]) == ("holds", None)
    assert (in_words["verdict"], in_words["measured"], in_words["technique"]) == (None, None, "")
    assert found["document"] == json.loads(json.dumps(documents.finding().entry.current.document.values()))


def test_a_list_has_next_previous_and_results(ada, anyone):
    write(ada, documents.document(DOES))
    listed = anyone.get(FINDINGS).json()
    assert set(listed) == {"next", "previous", "results"}
    assert [row["slug"] for row in listed["results"]] == ["copying"]
    assert listed["results"][0]["claims"][0]["id"] == "does"


def test_pages_follow_one_another_without_gaps(ada, anyone):
    for number in range(5):
        write(ada, documents.document(DOES, slug=f"copying-{number}"))
    seen, address = [], FINDINGS + "?page_size=2"
    while address:
        page = anyone.get(address).json()
        seen += [row["slug"] for row in page["results"]]
        address = page["next"]
    assert sorted(seen) == [f"copying-{number}" for number in range(5)]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("behavior=repeat", 1),
        ("behavior=ioi", 0),
        ("model=small", 1),
        ("model=large", 0),
        ("model=small&head=1.0", 1),
        ("model=small&head=1.1", 0),
        ("badge=checking", 1),
        ("badge=verified", 0),
        ("role=induction", 0),
    ],
)
def test_filters(ada, anyone, query, found):
    write(ada, documents.document(DOES))
    assert len(anyone.get(f"{FINDINGS}?{query}").json()["results"]) == found


@pytest.mark.parametrize(
    ("query", "words"),
    [("head=1.0", "add model="), ("head=mlp.1&model=small", "no head"), ("head=x&model=small", "no component")],
)
def test_a_head_is_a_head_of_a_model(anyone, query, words):
    answer = anyone.get(f"{FINDINGS}?{query}")
    assert answer.status_code == 400
    assert words in answer.json()["problems"][0]["message"]


def test_every_problem_of_a_document_is_told_at_once_with_its_path(ada):
    bad = documents.document({**KNOCK_OUT, "spec": {"metric": "acuracy"}}, zzz=1, title="")
    answer = write(ada, bad)
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    told = {problem["path"]: problem["message"] for problem in answer.json()["problems"]}
    assert {"title", "zzz", "claims.0.spec.metric", "claims.0.spec.components"} <= set(told)
    assert "did you mean 'accuracy'" in told["claims.0.spec.metric"]


def test_a_head_that_the_model_does_not_have_is_refused(ada):
    answer = write(ada, documents.document({**KNOCK_OUT, "spec": {"metric": "accuracy", "components": ["7.0"]}}))
    assert answer.status_code == 400
    assert "2 layers" in answer.json()["problems"][0]["message"]


def test_a_key_that_stands_twice_is_refused(ada):
    answer = ada.post(FINDINGS, '{"slug": "a", "slug": "b"}', content_type="application/json")
    assert answer.status_code == 400
    assert "stands twice" in answer.json()["detail"]


def test_reading_needs_no_token_and_writing_does(anyone, ada):
    assert write(anyone, documents.document(DOES)).status_code == 401
    write(ada, documents.document(DOES))
    assert anyone.get(COPYING).status_code == 200
    assert write(anyone, documents.document(DOES), "put", COPYING).status_code == 401


def test_a_wrong_token_is_refused(anyone):
    anyone.credentials(HTTP_AUTHORIZATION="Token " + "0" * 64)
    assert write(anyone, documents.document(DOES)).status_code == 401


def test_a_change_is_a_new_revision_and_keeps_what_was_measured(ada):
    write(ada, documents.document(DOES))
    work_off()
    answer = write(ada, documents.document(DOES, title="Another title"), "put", COPYING)
    assert (answer.status_code, answer.json()["revision"]["number"]) == (200, 2)
    assert answer.json()["claims"][0]["verdict"] == "holds"


def test_an_overtaken_change_is_told_with_both_versions(ada):
    first = write(ada, documents.document(DOES)).json()["revision"]["sha256"]
    write(ada, documents.document(DOES, title="Theirs"), "put", COPYING, **{"If-Match": first})
    answer = write(ada, documents.document(DOES, title="Mine"), "put", COPYING, **{"If-Match": first})
    assert answer.status_code == 409
    told = answer.json()
    assert (told["current"]["document"]["title"], told["sent"]["title"]) == ("Theirs", "Mine")


def test_a_new_finding_does_not_overwrite_an_old_one(ada):
    write(ada, documents.document(DOES))
    answer = write(ada, documents.document(DOES, title="Other"))
    assert answer.status_code == 400
    assert "PUT" in answer.json()["problems"][0]["message"]


def test_the_address_and_the_document_name_one_entry(ada):
    write(ada, documents.document(DOES))
    answer = write(ada, documents.document(DOES, slug="other"), "put", COPYING)
    assert answer.status_code == 400
    assert answer.json()["problems"][0]["path"] == "slug"


def test_the_bundle_is_complete(ada, anyone):
    write(ada, documents.document(DOES, KNOCK_OUT))
    bundle = Bundle.from_json(anyone.get(COPYING + "bundle/").json())
    assert bundle.problems() == []
    assert (bundle.finding.slug, bundle.behavior.slug, bundle.model.slug) == ("copying", "repeat", "small")


def test_what_is_not_there_is_a_problem_document(anyone):
    answer = anyone.get(FINDINGS + "nothing/")
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")


def test_an_expectation_stated_after_measuring_says_so(ada):
    write(ada, documents.document(KNOCK_OUT))
    work_off()
    fitted = {**KNOCK_OUT, "expect": {"at_most": -0.9}}
    answer = write(ada, documents.document(fitted), "put", COPYING).json()
    assert (answer["claims"][0]["stated_after_measuring"], answer["badge"]) == (True, "checking")
