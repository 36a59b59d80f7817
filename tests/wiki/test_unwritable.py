"""While the database cannot be written to, or be reached, an edit is not lost and nobody sees a traceback."""

import json

import pytest
from django.db import InternalError, connection
from django.test import Client
from rest_framework.test import APIClient

from tests.cast import cast
from tests.wiki import documents, work
from tests.wiki.documents import DOES
from tests.wiki.fresh import closed_port, fresh
from wiki import actions
from wiki.models import Revision, Run
from wiki.outages import is_outage

READ_ONLY = {"sqlite": "PRAGMA query_only = 1", "postgresql": "SET default_transaction_read_only = on"}
READ_WRITE = {"sqlite": "PRAGMA query_only = 0", "postgresql": "SET default_transaction_read_only = off"}


@pytest.fixture
def people(transactional_db):
    people = cast()
    documents.neighbors()
    documents.publish(None, DOES)
    return people


@pytest.fixture
def as_ada(people) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(people.ada)
    return client


@pytest.fixture
def read_only():
    """Asked for last, so that everything else is written before."""

    def begin() -> None:
        tell(READ_ONLY[connection.vendor])

    yield begin
    tell(READ_WRITE[connection.vendor])


@pytest.fixture
def full():
    if connection.vendor != "sqlite":
        pytest.skip("only SQLite can be told how large it may grow")

    def begin() -> None:
        tell("VACUUM")  # pages that earlier tests left free would still take the edit
        (pages,) = tell("PRAGMA page_count")
        tell(f"PRAGMA max_page_count = {pages}")

    yield begin
    tell("PRAGMA max_page_count = 1073741823")


def tell(sql: str) -> tuple:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone() if cursor.description else ()


def edited(length: int = 10) -> dict[str, str]:
    changed = documents.document(DOES, body="an hour of writing " * length)
    return {
        "document": json.dumps(changed, indent=1),
        "expected": documents.finding().entry.current.sha256,
        "summary": "<b>why</b>",
    }


def test_an_edit_that_cannot_be_written_keeps_its_text_and_can_be_sent_again(as_ada, read_only):
    edit = edited()
    read_only()
    response = as_ada.post("/findings/copying/edit/", edit)
    html = response.content.decode()
    assert (response.status_code, response["Retry-After"], response["Cache-Control"]) == (503, "10", "no-store")
    assert "Not saved: the database cannot be written to just now" in html and "Try again in a minute" in html
    assert html.count("an hour of writing") == 10 and 'action="/findings/copying/edit/"' in html
    assert f'name="expected" value="{edit["expected"]}"' in html and "csrfmiddlewaretoken" in html
    assert 'value="&lt;b&gt;why&lt;/b&gt;"' in html and "<b>why" not in html
    tell(READ_WRITE[connection.vendor])
    assert as_ada.post("/findings/copying/edit/", edit).status_code == 302
    assert (Revision.objects.get(number=2).summary, documents.finding().entry.current.number) == ("<b>why</b>", 2)


def test_an_edit_that_no_longer_fits_on_the_disk_is_kept_too(as_ada, full):
    edit = edited(length=2_000)
    full()
    response = as_ada.post("/findings/copying/edit/", edit)
    assert response.status_code == 503 and response.content.decode().count("an hour of writing") == 2_000
    assert documents.finding().entry.current.number == 1


def test_reading_goes_on_while_nothing_can_be_written(client, people, read_only):
    read_only()
    for path in ("/", "/findings/copying/", "/runs/", "/api/v1/findings/copying/"):
        assert client.get(path).status_code == 200, path


def test_another_write_answers_with_a_plain_page(as_ada, read_only):
    here = work.worker()
    while (run := actions.claim_run(here)) is not None:
        actions.record_error(run, "out of memory")
    read_only()
    response = as_ada.post("/findings/copying/claims/does/again/")
    html = response.content.decode()
    assert response.status_code == 503 and "what you sent was not saved" in html and "<textarea" not in html
    assert not Run.objects.waiting().exists()


def test_the_api_answers_with_a_problem_and_when_to_come_again(people, read_only):
    client = APIClient(raise_request_exception=False)
    client.credentials(HTTP_AUTHORIZATION=f"Token {actions.make_token(people.ada)}")
    read_only()
    response = client.put("/api/v1/findings/copying/", documents.document(DOES, summary="new"), format="json")
    assert (response.status_code, response["Retry-After"]) == (503, "10")
    assert response["Content-Type"] == "application/problem+json"
    assert response.json() == {
        "type": "about:blank",
        "title": "Service Unavailable",
        "status": 503,
        "detail": "The database cannot be used just now, so nothing was saved. Send it again in a while.",
    }


def test_without_any_database_an_edit_still_keeps_its_text(tmp_path):
    code = """
client.cookies["sessionid"] = "a" * 32
for response in (client.post("/findings/x/edit/", {"document": "an hour of writing"}), client.get("/")):
    html = response.content.decode()
    print(response.status_code, "an hour of writing" in html, "Traceback" in html)
response = client.get("/api/v1/findings/")
print(response.status_code, response["Content-Type"], response["Retry-After"])
"""
    found = fresh(code, tmp_path, DATABASE_URL=f"postgres://u:p@127.0.0.1:{closed_port()}/x").stdout.splitlines()
    assert found == ["503 True False", "503 False False", "503 application/problem+json 10"]


def test_a_mistake_of_ours_is_no_outage(db, monkeypatch):
    monkeypatch.setattr("wiki.views.home._grid", lambda: 1 / 0)
    response = Client(raise_request_exception=False).get("/")
    assert response.status_code == 500 and "Retry-After" not in response
    assert not is_outage(InternalError("current transaction is aborted")) and not is_outage(None)
