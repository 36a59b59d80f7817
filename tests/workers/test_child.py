"""The engine's parent: what it makes of a child that answers, dies, hangs, eats memory or talks nonsense."""

import os
import sys
import time

import psutil
import pytest

from workers.child import Abandoned, Engine, EngineDied, EngineStopped, Limits, Progress

READ = """
import json, os, sys, time
for line in sys.stdin:
    asked = json.loads(line)
    say = lambda **event: print(json.dumps({'id': asked['id'], **event}), flush=True)
"""
ANSWER = "    say(event='numbers', numbers={'pid': os.getpid()})\n"
HANG = "    time.sleep(60)\n"


def wanted(progress: Progress) -> bool:
    return True


@pytest.fixture
def child():
    """Makes an Engine whose child runs the given lines for every request."""
    made = []

    def make(lines: str, deadline: float = 30.0, memory: int | None = None) -> Engine:
        made.append(Engine(Limits(deadline, memory, tick=0.05), (sys.executable, "-c", READ + lines)))
        return made[-1]

    yield make
    for engine in made:
        engine.kill()


def is_running(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_one_child_answers_request_after_request(child):
    engine = child(ANSWER)
    first, second = engine.ask({"id": "1.1"}, wanted), engine.ask({"id": "2.1"}, wanted)
    assert (first["id"], second["id"], first["event"]) == ("1.1", "2.1", "numbers")
    assert first["numbers"]["pid"] == second["numbers"]["pid"] != os.getpid()


def test_progress_is_handed_on_while_it_is_waited_for(child):
    engine = child("    say(event='progress', done=64, total=256, words='measuring')\n    time.sleep(0.5)\n" + ANSWER)
    seen = []
    engine.ask({"id": "1.1"}, lambda progress: bool(seen.append(progress)) or True)
    assert seen[-1] == Progress(64, 256, "measuring")


def test_an_answer_to_an_older_request_is_passed_over(child):
    engine = child("    print(json.dumps({'id': 'old', 'event': 'numbers', 'numbers': None}), flush=True)\n" + ANSWER)
    assert engine.ask({"id": "1.1"}, wanted)["id"] == "1.1"


def test_a_child_that_dies_in_the_middle_is_told_from_one_that_answered_and_the_next_request_has_a_new_one(child):
    engine = child(
        "    if asked['id'] == 'kill': os.kill(os.getpid(), 9)\n    if asked['id'] == 'exit': sys.exit(3)\n" + ANSWER
    )
    with pytest.raises(EngineDied, match="signal 9"):
        engine.ask({"id": "kill"}, wanted)
    with pytest.raises(EngineDied, match="exit status 3"):
        engine.ask({"id": "exit"}, wanted)
    assert engine.ask({"id": "1.1"}, wanted)["event"] == "numbers"


def test_a_child_that_was_killed_between_two_requests_is_replaced(child):
    engine = child(ANSWER)
    pid = engine.ask({"id": "1.1"}, wanted)["numbers"]["pid"]
    psutil.Process(pid).kill()
    time.sleep(0.2)
    assert engine.ask({"id": "2.1"}, wanted)["numbers"]["pid"] != pid


def test_a_run_past_its_deadline_is_stopped(child):
    engine = child(HANG, deadline=0.5)
    begun = time.monotonic()
    with pytest.raises(EngineStopped, match="not done within"):
        engine.ask({"id": "1.1"}, wanted)
    assert time.monotonic() - begun < 10


def test_a_run_that_takes_too_much_memory_is_stopped(child):
    with pytest.raises(EngineStopped, match="MiB of memory, more than the 100 MiB"):
        child("    eaten = b'x' * 300_000_000\n" + HANG, memory=100).ask({"id": "1.1"}, wanted)


def test_nonsense_on_the_line_stops_the_run(child):
    with pytest.raises(EngineStopped, match="said what is no JSON"):
        child("    print('Loading weights 100%', flush=True)\n" + HANG).ask({"id": "1.1"}, wanted)


def test_a_run_nobody_waits_for_is_given_up_and_its_child_is_gone(child):
    engine = child("    say(event='progress', done=os.getpid(), total=0, words='')\n" + HANG)
    pids = []

    def not_any_more(progress: Progress) -> bool:
        pids.append(progress.done)
        return not progress.done

    with pytest.raises(Abandoned):
        engine.ask({"id": "1.1"}, not_any_more)
    assert not is_running(pids[-1])


def test_whatever_the_parent_stumbles_over_the_child_is_gone(child):
    engine = child("    say(event='progress', done=os.getpid(), total=0, words='')\n" + HANG)
    pids = []

    def stumble(progress: Progress) -> bool:
        pids.append(progress.done)
        if progress.done:
            raise OSError("database is locked")
        return True

    with pytest.raises(OSError):
        engine.ask({"id": "1.1"}, stumble)
    assert not is_running(pids[-1])


def test_a_child_that_is_killed_is_gone_and_may_be_killed_again(child):
    engine = child(ANSWER)
    pid = engine.ask({"id": "1.1"}, wanted)["numbers"]["pid"]
    engine.kill()
    engine.kill()
    assert not is_running(pid)
