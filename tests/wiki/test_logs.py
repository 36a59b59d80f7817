"""Log lines carry the run's and the request's id, and Sentry's events do too; neither tells a secret."""

import gzip
import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from structlog.contextvars import bound_contextvars
from structlog.stdlib import ProcessorFormatter

from config.observing import PROCESSORS, RENDERERS, logging_settings, redacted, version
from tests.wiki.fresh import closed_port, fresh

ROOT = Path(__file__).resolve().parents[2]
SECRETS = {
    "the broker is redis://:open-sesame@host:6379/0": "open-sesame",
    "postgres://wiki:p4ss/w0rd@db/interpedia is gone": "p4ss/w0rd",
    "Internal Server Error: /welcome/Zx8-once_only/": "Zx8-once_only",
    "GET /accounts/password/reset/key/3-c0ffee-1234/": "3-c0ffee-1234",
    "Authorization: Token 0123456789abcdef0123": "0123456789abcdef0123",
    "sent Bearer abcdefgh.ijklmnop.qrstuv": "abcdefgh.ijklmnop.qrstuv",
    'asked {"draw": 1, "seed": "00ff00ff00ff00ff"}': "00ff00ff00ff00ff",
    "asked {'seed': '00ff00ff00ff00ff'}": "00ff00ff00ff00ff",
    "SECRET_KEY=qwertyuiopasdfgh was read": "qwertyuiopasdfgh",
}


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What our loggers write, as JSON lines."""
    written = io.StringIO()
    stream = logging.StreamHandler(written)
    stream.setFormatter(ProcessorFormatter(processors=[*PROCESSORS, RENDERERS["json"]]))
    ours, requests = logging.getLogger("interpedia"), logging.getLogger("interpedia.request")
    ours.addHandler(stream)
    before = requests.level
    requests.setLevel(logging.INFO)
    yield written
    requests.setLevel(before)
    ours.removeHandler(stream)


def read(lines: io.StringIO) -> list[dict]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def test_a_line_logged_within_a_run_names_the_run(lines):
    with bound_contextvars(run=7, fence=2, worker="desk-1"):
        logging.getLogger("interpedia.worker").info("run %s begins", 7)
    logging.getLogger("interpedia.worker").info("idle")
    within, after = read(lines)
    assert {key: within[key] for key in ("run", "fence", "worker", "event", "level", "logger")} == {
        "run": 7,
        "fence": 2,
        "worker": "desk-1",
        "event": "run 7 begins",
        "level": "info",
        "logger": "interpedia.worker",
    }
    assert "run" not in after and within["timestamp"].endswith("Z")


def test_text_is_one_line_with_what_it_happened_in_and_then_the_traceback(tmp_path):
    code = """
import logging
from structlog.contextvars import bound_contextvars
log = logging.getLogger("interpedia.worker")
with bound_contextvars(run=7):
    log.info("begins")
    try:
        1 / 0
    except ZeroDivisionError:
        log.exception("broke")
logging.getLogger("somebody.else").info("is not heard")
"""
    begins, broke, *traceback = fresh(code, tmp_path).stderr.splitlines()
    assert begins.endswith("Z INFO interpedia.worker: begins [run=7]")
    assert broke.endswith("Z ERROR interpedia.worker: broke [run=7]")
    assert traceback[0].startswith("Traceback") and traceback[-1] == "ZeroDivisionError: division by zero"


@pytest.mark.parametrize(("said", "secret"), SECRETS.items())
def test_secrets_are_not_logged(lines, said, secret):
    logging.getLogger("interpedia.worker").warning("%s", said)
    assert secret not in lines.getvalue() and secret not in redacted(said) and "…" in redacted(said)


def test_secrets_in_a_traceback_are_not_logged(lines):
    try:
        raise ValueError("redis://:open-sesame@host/0")
    except ValueError:
        logging.getLogger("interpedia.worker").exception("no broker")
    (line,) = read(lines)
    assert "ValueError: redis://:…@host/0" in line["exception"]


@pytest.mark.parametrize(
    "said", ["run 7 begins: ablation, draw 1", "https://example.org/a?b=c", "'When': no position S2"]
)
def test_what_is_no_secret_stays_as_it_is(said):
    assert redacted(said) == said


def test_a_format_nobody_knows_is_an_error_that_names_the_known_ones():
    with pytest.raises(ImproperlyConfigured, match="LOG_FORMAT='xml' is not known; write one of text, json"):
        logging_settings("xml")


def test_a_request_has_an_id_that_the_answer_and_the_line_carry(client, lines):
    response = client.get("/healthz")
    (line,) = read(lines)
    assert line["request_id"] == response["X-Request-ID"] and len(line["request_id"]) == 32
    assert {key: line[key] for key in ("event", "method", "route", "status")} == {
        "event": "answered",
        "method": "GET",
        "route": "healthz",
        "status": 200,
    }
    assert client.get("/healthz")["X-Request-ID"] != response["X-Request-ID"]


def test_the_id_a_proxy_gave_is_kept_unless_it_is_no_id(client):
    assert client.get("/healthz", headers={"X-Request-ID": "ab-12.x"})["X-Request-ID"] == "ab-12.x"
    for given in ("two words", "a\tb", "x" * 65, "{evil}", "é"):
        assert len(client.get("/healthz", headers={"X-Request-ID": given})["X-Request-ID"]) == 32


def test_a_line_names_the_person_by_number_only_and_the_address_by_its_route(people, lines):
    client = Client()
    client.force_login(people.ada)
    client.get("/account/", REMOTE_ADDR="203.0.113.9")
    client.get("/welcome/a-link-that-works-once/")
    account, welcome = read(lines)
    assert account["user_id"] == people.ada.pk and welcome["route"] == "welcome/<str:token>/"
    told = lines.getvalue()
    assert "203.0.113.9" not in told and "works-once" not in told and '"ada"' not in told


def test_a_line_of_a_page_that_asks_nobody_who_they_are_names_nobody(people, lines):
    client = Client()
    client.force_login(people.ada)
    client.get("/healthz")
    assert "user_id" not in read(lines)[0]


def test_celery_speaks_through_the_same_formatter(tmp_path):
    """With a broker that is not there a worker has something to say at once."""
    broker = f"redis://:open-sesame@127.0.0.1:{closed_port()}/0"
    given = {"DATA": str(tmp_path), "SECRET_KEY": "x" * 50, "REDIS_URL": broker, "LOG_FORMAT": "json"}
    kept = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "config.settings"}
    command = "-m celery --app config.celery --quiet worker --pool solo --loglevel warning"
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", *command.split()],
        cwd=ROOT,
        env={**kept, **given},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as worker:
        try:
            line = worker.stderr.readline()
        finally:
            worker.kill()
    said = json.loads(line)
    assert said["logger"] == "celery.worker.consumer.consumer" and said["level"] == "error"
    assert "Cannot connect to redis" in said["event"] and "open-sesame" not in line


def test_gunicorn_speaks_through_the_same_formatter(tmp_path):
    given = {"DATA": str(tmp_path), "SECRET_KEY": "x" * 50, "LOG_FORMAT": "json", "PATH": os.environ["PATH"]}
    command = f"-m gunicorn --config python:config.gunicorn --bind 127.0.0.1:{closed_port()} config.no_such_module"
    done = subprocess.run(
        [sys.executable, *command.split()], cwd=ROOT, env=given, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 3
    said = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert any(line["logger"] == "gunicorn.error" and "Exception in worker process" in line["event"] for line in said)


def test_without_a_dsn_sentry_is_not_even_imported(tmp_path):
    assert fresh("import sys; print('sentry_sdk' in sys.modules)", tmp_path).stdout == "False\n"


def test_an_error_reaches_sentry_with_the_run_as_a_tag_and_without_secrets(tmp_path):
    code = """
import logging, sentry_sdk
from structlog.contextvars import bound_contextvars
seed = "feedfacefeedface"
with bound_contextvars(run=7, fence=2):
    try:
        raise ValueError("redis://:open-sesame@host/0")
    except ValueError:
        logging.getLogger("interpedia.evidence").exception("claim %s cannot be judged", "does", extra={"seed": seed})
sentry_sdk.flush(10)
"""
    (event,) = sent(code, tmp_path)
    assert (event["tags"]["run"], event["tags"]["fence"]) == ("7", "2")
    assert event["release"] == f"interpedia@{version()}" and event["logentry"]["params"] == ["does"]
    assert event["exception"]["values"][0]["value"] == "redis://:…@host/0"
    assert "feedface" not in json.dumps(event) and "vars" not in json.dumps(event["exception"])


def test_a_broken_page_reaches_sentry_without_address_body_and_person(tmp_path):
    code = """
import sentry_sdk
from django.test import RequestFactory
from config.wsgi import application
given = {"password": "correct horse battery", "csrfmiddlewaretoken": "c" * 32}
cookies = "sessionid=aaaaaaaa; csrftoken=" + "c" * 32
made = RequestFactory(SERVER_NAME="localhost", HTTP_COOKIE=cookies, REMOTE_ADDR="203.0.113.9")
answered = []
environ = made.post("/welcome/a-link-that-works-once/?a=1", given).environ
application(environ, lambda status, headers: answered.append(status))
assert answered == ["503 Service Unavailable"], answered
sentry_sdk.flush(10)
"""
    events = sent(code, tmp_path, DATABASE_URL=f"postgres://u:p4ssw0rd@127.0.0.1:{closed_port()}/x")
    assert events[0]["transaction"] == "/welcome/{token}/" and events[0]["request"] == {"method": "POST"}
    assert len(events[0]["tags"]["request_id"]) == 32 and "user" not in events[0]
    told = json.dumps(events)
    for secret in ("works-once", "correct horse", "203.0.113.9", "p4ssw0rd", "aaaaaaaa", "cccccccc"):
        assert secret not in told, secret


def sent(code: str, data: Path, **given: str) -> list[dict]:
    """The events that a process sends to a Sentry of ours."""
    with sentry() as (port, received):
        done = fresh(code, data, SENTRY_DSN=f"http://key@127.0.0.1:{port}/1", **given)
        assert done.returncode == 0, done.stderr
    return received


@contextmanager
def sentry() -> Iterator[tuple[int, list[dict]]]:
    """A server that takes envelopes: lines of JSON, of which every item's header is followed by the item."""
    received: list[dict] = []

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            text = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
            _, *items = map(json.loads, text.splitlines())
            pairs = zip(items[::2], items[1::2], strict=True)
            received.extend(item for header, item in pairs if header["type"] == "event")
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Taking) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port, received
        server.shutdown()
