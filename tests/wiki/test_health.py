"""Whether the site answers, and whether what it stands on does: in bounded time, and without telling secrets."""

import json
from concurrent.futures import Future
from datetime import timedelta
from threading import Event

import pytest
from django.utils import timezone

from config.celery import make_broker_folder
from tests.wiki import documents
from tests.wiki.documents import DOES
from tests.wiki.fresh import closed_port, fresh, silent_port
from tests.wiki.work import worker
from wiki import actions
from wiki.models import Run
from wiki.readiness import Probe, Readiness

ASK = """
import time
client.get("/healthz")  # what is imported by the first request is imported
begun = time.monotonic()
response = client.get("/readyz")
print(response.status_code, response.content.decode(), round(time.monotonic() - begun, 2), sep="\\n")
"""


@pytest.fixture
def broker_folder(settings, tmp_path):
    """The embedded broker's, whatever broker the other tests use."""
    settings.DATA, settings.REDIS_URL = tmp_path, ""
    make_broker_folder()
    return tmp_path / "broker"


def test_health_asks_nothing_of_the_database(client):
    response = client.get("/healthz")
    assert (response.status_code, response.content) == (200, b"ok\n")
    assert response["Cache-Control"] == "no-store"


def test_ready_with_nothing_in_the_queue_has_no_ages(client, transactional_db, broker_folder):
    response = client.get("/readyz")
    expected = {"ready": True, "database": "ok", "broker": "ok", "oldest_waiting_s": None, "last_claim_s": None}
    assert (response.status_code, response.json()) == (200, {**expected, "workers": 0})
    assert response["Cache-Control"] == "no-store"
    assert not response.cookies and "Cookie" not in response.get("Vary", "")


def test_ages_are_of_the_oldest_waiting_run_and_of_the_last_claim(client, transactional_db, broker_folder):
    documents.neighbors()
    documents.publish(None, DOES)
    first, second = Run.objects.order_by("id")
    claimed = actions.claim_run(worker())
    assert claimed == first
    now = timezone.now()
    Run.objects.filter(pk=first.pk).update(claimed_at=now - timedelta(seconds=100))
    Run.objects.filter(pk=second.pk).update(created_at=now - timedelta(hours=1))
    found = client.get("/readyz").json()
    assert 3600 <= found["oldest_waiting_s"] < 3630 and 100 <= found["last_claim_s"] < 130 and found["workers"] == 1


def test_a_broker_folder_that_is_gone_makes_the_site_unready(client, transactional_db, broker_folder):
    (broker_folder / "queue").rmdir()
    response = client.get("/readyz")
    assert response.status_code == 503
    assert (response.json()["ready"], response.json()["broker"]) == (False, "cannot be used (NotADirectoryError)")
    assert response.json()["database"] == "ok"


def test_what_is_not_there_makes_the_site_unready_and_no_password_is_told(tmp_path):
    database = f"postgres://someone:opensesame@127.0.0.1:{closed_port()}/x"
    found = fresh(ASK, tmp_path, DATABASE_URL=database, REDIS_URL=f"redis://:opensesame@127.0.0.1:{closed_port()}/0")
    status, answer, seconds = found.stdout.splitlines()
    assert json.loads(answer) == {
        "ready": False,
        "database": "cannot be used (OperationalError)",
        "broker": "cannot be used (ConnectionError)",
        "oldest_waiting_s": None,
        "last_claim_s": None,
        "workers": None,
    }
    assert status == "503" and float(seconds) < 4
    assert "opensesame" not in found.stdout + found.stderr and "Traceback" not in found.stderr
    said = found.stderr.splitlines()
    assert [line.split()[1] for line in said] == ["WARNING", "WARNING"], "an unready site is no error of the page"


def test_what_hangs_makes_the_site_unready_within_some_two_seconds(tmp_path):
    with silent_port() as port:
        addresses = {"DATABASE_URL": f"postgres://u:p@127.0.0.1:{port}/x", "REDIS_URL": f"redis://127.0.0.1:{port}/0"}
        found = fresh(ASK, tmp_path, **addresses)
    status, answer, seconds = found.stdout.splitlines()
    assert status == "503" and json.loads(answer)["database"] == "does not answer within 2 s"
    assert json.loads(answer)["broker"] in ("does not answer within 2 s", "cannot be used (TimeoutError)")
    assert 1.9 < float(seconds) < 4


def test_a_question_that_hangs_is_not_asked_a_second_time_meanwhile():
    asked, answered = [], Event()

    def question() -> int:
        asked.append("once")
        answered.wait(10)
        return len(asked)

    probe = Probe(question)
    first, second = probe.ask(), probe.ask()
    assert first is second and isinstance(first, Future)
    answered.set()
    assert first.result(timeout=10) == 1
    assert probe.ask().result(timeout=10) == 2


@pytest.mark.parametrize(
    ("database", "broker", "ready"), [("ok", "ok", True), ("no", "ok", False), ("ok", "no", False)]
)
def test_ready_means_database_and_broker(database, broker, ready):
    assert Readiness(database, broker, None).ready is ready
