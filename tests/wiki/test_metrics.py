"""What Prometheus reads: the queue as the database has it, requests over all processes, and for whom."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from django.test import Client

from config.queues import CLASSES, class_of
from tests.wiki import documents
from tests.wiki.documents import DOES, KNOCK_OUT
from tests.wiki.fresh import closed_port, fresh
from tests.wiki.work import worker
from wiki import actions, queues
from wiki.models import Measurement, Run

ROOT = Path(__file__).resolve().parents[2]


def read(client: Client, **extra: str) -> dict[str, float]:
    """Every sample, by name and labels."""
    response = client.get("/metrics", **extra)
    assert response.status_code == 200, response.content
    assert response["Content-Type"].startswith("text/plain") and response["Cache-Control"] == "no-store"
    return samples(response.content.decode())


def samples(text: str) -> dict[str, float]:
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


def test_the_queue_is_counted_by_state_class_and_technique(client, neighbors):
    documents.publish(None, DOES, KNOCK_OUT)
    here = worker()
    finished = actions.claim_run(here)
    actions.record_numbers(finished, documents.measured(finished))
    actions.record_error(actions.claim_run(here), "out of memory")
    actions.claim_run(here)
    found = read(client)
    expected = {"queued": 4, "running": 1, "finished": 1, "errored": 1, "refused": 0}
    assert {state: found[f'interpedia_runs{{state="{state}"}}'] for state in expected} == expected
    assert found['interpedia_waiting_runs{memory_class="small"}'] == 4
    assert found['interpedia_waiting_runs{memory_class="huge"}'] == 0
    assert found['interpedia_running_runs{memory_class="small"}'] == 1
    assert found["interpedia_workers"] == 1
    assert [found[f'interpedia_class_workers{{memory_class="{name}"}}'] for name in CLASSES] == [1, 1, 0, 0]
    assert found['interpedia_ended_runs_total{state="finished",technique="behavior"}'] == 1
    assert found['interpedia_ended_runs_total{state="errored",technique="behavior"}'] == 1
    assert found['interpedia_run_seconds_count{technique="behavior"}'] == 1
    assert 0 <= found['interpedia_run_seconds_sum{technique="behavior"}'] < 60
    assert 0 <= found["interpedia_oldest_waiting_seconds"] < 60 and 0 <= found["interpedia_last_claim_seconds"] < 60
    assert found["interpedia_database_answers"] == 1


def test_the_age_of_nothing_has_no_sample(client, db):
    found = read(client)
    assert "interpedia_oldest_waiting_seconds" not in found and "interpedia_last_claim_seconds" not in found
    assert found['interpedia_runs{state="queued"}'] == 0


@pytest.mark.parametrize("memory", [0, 4096, 4097, 16_384, 16_385, 49_152, 163_840, 1_000_000])
def test_the_database_and_the_workers_agree_on_a_runs_memory_class(neighbors, memory):
    documents.publish(None, DOES)
    Measurement.objects.update(memory=memory)
    (found,) = set(Run.objects.annotate(name=queues.memory_class()).values_list("name", flat=True))
    assert found == class_of(memory)


def test_requests_are_counted_by_view_without_their_address(client, db):
    client.get("/welcome/a-link-that-works-once/")
    text = client.get("/metrics").content.decode()
    assert 'django_http_responses_total_by_status_view_method_total{method="GET",status="404",view="welcome"}' in text
    assert "works-once" not in text


def test_from_this_machine_metrics_are_read_without_a_token(client, db):
    for address in ("127.0.0.1", "127.3.2.1", "::1"):
        read(client, REMOTE_ADDR=address)


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via", "X-Forwarded-Proto"])
def test_what_a_proxy_hands_on_is_not_from_this_machine(client, db, header):
    refused(client.get("/metrics", headers={header: "127.0.0.1"}))


def test_behind_a_proxy_that_tells_nothing_nobody_is_from_this_machine(client, db, settings):
    settings.ORIGIN = "https://interpedia.example"
    refused(client.get("/metrics"))


@pytest.mark.parametrize("address", ["10.0.0.7", "203.0.113.9", "", "nonsense"])
def test_strangers_read_no_metrics(client, db, address):
    refused(client.get("/metrics", REMOTE_ADDR=address))


def test_with_a_token_set_only_who_sends_it_reads_metrics(client, db, settings):
    settings.METRICS_TOKEN = "a-token-for-prometheus"
    read(client, headers={"Authorization": "Bearer a-token-for-prometheus"}, REMOTE_ADDR="10.0.0.7")
    refused(client.get("/metrics"))
    for given in ("Bearer wrong", "Token a-token-for-prometheus", "Bearer", "Bearer "):
        refused(client.get("/metrics", headers={"Authorization": given}))


def test_without_a_token_set_an_empty_one_opens_nothing(client, db):
    for given in ("Bearer ", "Bearer", "bearer  "):
        refused(client.get("/metrics", headers={"Authorization": given}, REMOTE_ADDR="10.0.0.7"))


def test_stewards_read_metrics_from_anywhere_and_others_do_not(people, settings):
    settings.METRICS_TOKEN = "a-token-for-prometheus"
    for person, may in ((people.ada, False), (people.bo, True), (people.cy, False)):
        client = Client()
        client.force_login(person)
        response = client.get("/metrics", REMOTE_ADDR="10.0.0.7")
        assert (response.status_code == 200) is may, person.username


def test_without_a_database_requests_are_still_told(tmp_path):
    code = "response = client.get('/metrics'); print(response.status_code, response.content.decode())"
    found = fresh(code, tmp_path, DATABASE_URL=f"postgres://u:p@127.0.0.1:{closed_port()}/x").stdout
    assert found.startswith("200 ") and "django_http_requests_before_middlewares_total" in found
    assert "interpedia_database_answers 0.0" in found and "interpedia_runs" not in found


def test_all_web_processes_count_together_and_leave_nothing_behind(tmp_path):
    """Four processes, forty requests: whichever is asked knows of all of them."""
    port, folder = closed_port(), tmp_path / "counts"
    given = {"DATA": str(tmp_path), "SECRET_KEY": "x" * 50, "PROMETHEUS_MULTIPROC_DIR": str(folder)}
    command = f"-m gunicorn --config python:config.gunicorn --bind 127.0.0.1:{port} --workers 4 config.wsgi"
    with subprocess.Popen([sys.executable, *command.split()], cwd=ROOT, env=environment(**given)) as server:
        try:
            wait_for(f"http://127.0.0.1:{port}/healthz")
            before = answered(port)
            for _ in range(40):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10).close()
            assert [answered(port) for _ in range(6)] == [before + 40] * 6
            assert len(list(folder.glob("counter_*.db"))) > 1, "one process answered everything, so nothing is shown"
        finally:
            server.send_signal(signal.SIGTERM)


def environment(**given: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "config.settings", **given}


def wait_for(url: str) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"{url} does not answer")


def answered(port: int) -> float:
    text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read().decode()
    found = re.search(r'by_status_view_method_total\{method="GET",status="200",view="healthz"\} (\S+)', text)
    return float(found[1])


def refused(response) -> None:
    assert response.status_code == 403 and response["Content-Type"] == "application/problem+json"
    assert response.json()["title"] == "Forbidden" and "METRICS_TOKEN" in response.json()["detail"]
