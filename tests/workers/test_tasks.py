"""What becomes of a run, whatever the engine does with it. The engine here is a child that says what it is told to."""

import json
import sys

import pytest

from tests.wiki import documents
from tests.wiki.documents import DOES, publish
from tests.wiki.work import worker
from wiki import actions
from wiki.models import Run
from workers import tasks
from workers.allowance import deadline_of
from workers.child import Engine, Limits
from workers.engine.checkpoint import weights_sha256
from workers.presence import loadable

pytestmark = pytest.mark.django_db(transaction=True)  # a worker's are its own: it drops connections that are in one

SAY = "import json, os, sys, time\nfor line in sys.stdin:\n    asked = json.loads(line)\n"


@pytest.fixture
def run() -> Run:
    documents.neighbors()
    publish(None, DOES)
    claimed = actions.claim_run(worker())
    assert claimed is not None
    return claimed


@pytest.fixture
def make(monkeypatch, run):
    """Makes the run with an engine that runs the given lines, and returns the run as it then is."""
    started = []

    def make(lines: str) -> Run:
        engine = Engine(Limits(memory=None, tick=0.05), (sys.executable, "-c", SAY + lines))
        started.append(engine)
        monkeypatch.setattr(tasks, "engine", lambda: engine)
        tasks.make(run)
        return Run.objects.get(pk=run.pk)

    yield make
    for engine in started:
        engine.kill()


def answering(**event: object) -> str:
    return f"    print(json.dumps({{'id': asked['id'], **json.loads({json.dumps(event)!r})}}), flush=True)\n"


def test_the_engine_is_asked_for_the_measurement_with_everything_staked_on_it(run, settings):
    asked = tasks.request(run)
    assert asked["measurement"] == json.loads(run.measurement.text)
    assert (asked["id"], asked["draw"], asked["seed"]) == (f"{run.pk}.1", 0, None)
    assert [stake["expect"] for stake in asked["stakes"]] == [{"at_least": 0.6}]
    assert asked["models"] == [str(folder) for folder in settings.MODELS]


def test_a_fresh_draw_is_asked_for_with_its_seed(run):
    fresh = actions.claim_run(worker())
    assert tasks.request(fresh)["seed"] == fresh.seed != ""


def test_numbers_are_kept(make, run):
    ended = make(answering(event="numbers", numbers=documents.measured(run)))
    assert (ended.state, json.loads(ended.numbers)["draw"]) == ("finished", 0)


def test_a_refusal_and_an_error_are_kept_with_their_reason(make):
    ended = make(answering(event="refused", reason="'When': no position S2"))
    assert (ended.state, ended.reason) == ("refused", "'When': no position S2")


def test_out_of_memory_is_an_error_and_never_a_failure(make):
    ended = make(answering(event="errored", reason="out of memory: 8 GB"))
    assert (ended.state, ended.reason) == ("errored", "out of memory: 8 GB")


def test_an_answer_nobody_understands_is_an_error(make):
    ended = make(answering(event="poem", lines=3))
    assert ended.state == "errored"
    assert "nobody understands that" in ended.reason


def test_a_dead_engine_gives_the_run_back_until_that_was_too_often(make, run):
    assert make("    os.kill(os.getpid(), 9)\n").state == "queued"
    for _ in range(2):
        Run.objects.update(not_before=None)
        again = actions.claim_run(worker())
        run.refresh_from_db()
        assert again.pk == run.pk
        ended = make("    os.kill(os.getpid(), 9)\n")
    assert ended.state == "errored"
    assert ended.reason == "given up after 3 attempts: the engine ended in the middle of the run (signal 9)"


def test_a_run_past_its_deadline_is_an_error_at_once(make, settings):
    settings.RUN_DEADLINE = 1
    ended = make("    time.sleep(60)\n")
    assert ended.state == "errored"
    assert ended.reason == "not done within 1 seconds, all that any run may take"


def test_a_deadline_follows_from_what_a_run_is_estimated_to_cost(run, settings):
    seconds, why = deadline_of(run.measurement)
    assert why == "5 times what it was estimated to take"
    settings.WORKER_SPEED = 1
    assert deadline_of(run.measurement)[0] > seconds > 120


def test_a_run_that_was_given_to_another_worker_meanwhile_is_left_to_it(make, run):
    Run.objects.filter(pk=run.pk).update(fence=2)
    ended = make("    time.sleep(60)\n")
    assert (ended.state, ended.fence, ended.numbers) == ("running", 2, "")


def test_a_worker_that_is_asked_to_stop_gives_its_run_back_at_once(make, monkeypatch):
    monkeypatch.setattr(tasks.celery_worker, "should_stop", 0)
    ended = make("    time.sleep(60)\n")
    assert (ended.state, ended.attempts) == ("queued", 0)


def test_a_worker_can_load_what_lies_in_its_models_folders(settings):
    assert weights_sha256(settings.BASE_DIR / "fixtures/models/induction-2l") in loadable()
    assert "hub" not in loadable()
    settings.HUB = True
    assert "hub" in loadable()


def test_whatever_else_goes_wrong_is_the_runs_reason(make, run, monkeypatch):
    monkeypatch.setattr("wiki.evidence.stakes_on", lambda run: {}["an older form"])
    ended = make("")
    assert (ended.state, ended.reason) == ("errored", "KeyError: 'an older form'")
