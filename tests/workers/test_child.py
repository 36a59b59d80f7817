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
START = """
    import subprocess
    lines = "eaten = b'x' * 200_000_000; import time; time.sleep(60)"
    other = subprocess.Popen([sys.executable, '-c', lines], stdout=subprocess.DEVNULL)
    say(event='progress', done=other.pid, total=0, words='')
"""
DEADLINE = 60.0


def wanted(progress: Progress) -> bool:
    return True


@pytest.fixture
def child():
    """Makes an Engine whose child runs the given lines for every request."""
    made = []

    def make(lines: str, memory: int | None = None) -> Engine:
        made.append(Engine(Limits(memory, tick=0.05), (sys.executable, "-c", READ + lines)))
        return made[-1]

    yield make
    for engine in made:
        engine.kill()


def is_running(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def ended(pid: int) -> bool:
    """Orphans are waited for by whoever adopts them, in their own time."""
    end = time.monotonic() + 10
    while is_running(pid) and time.monotonic() < end:
        time.sleep(0.05)
    return not is_running(pid)


def test_one_child_answers_request_after_request(child):
    engine = child(ANSWER)
    first, second = engine.ask({"id": "1.1"}, wanted, DEADLINE), engine.ask({"id": "2.1"}, wanted, DEADLINE)
    assert (first["id"], second["id"], first["event"]) == ("1.1", "2.1", "numbers")
    assert first["numbers"]["pid"] == second["numbers"]["pid"] != os.getpid()


def test_progress_is_handed_on_while_it_is_waited_for(child):
    engine = child("    say(event='progress', done=64, total=256, words='measuring')\n    time.sleep(0.5)\n" + ANSWER)
    seen = []
    engine.ask({"id": "1.1"}, lambda progress: bool(seen.append(progress)) or True, DEADLINE)
    assert seen[-1] == Progress(64, 256, "measuring")


def test_an_answer_to_an_older_request_is_passed_over(child):
    engine = child("    print(json.dumps({'id': 'old', 'event': 'numbers', 'numbers': None}), flush=True)\n" + ANSWER)
    assert engine.ask({"id": "1.1"}, wanted, DEADLINE)["id"] == "1.1"


def test_a_child_that_dies_in_the_middle_is_told_from_one_that_answered_and_the_next_request_has_a_new_one(child):
    engine = child(
        "    if asked['id'] == 'kill': os.kill(os.getpid(), 9)\n    if asked['id'] == 'exit': sys.exit(3)\n" + ANSWER
    )
    with pytest.raises(EngineDied, match="signal 9"):
        engine.ask({"id": "kill"}, wanted, DEADLINE)
    with pytest.raises(EngineDied, match="exit status 3"):
        engine.ask({"id": "exit"}, wanted, DEADLINE)
    assert engine.ask({"id": "1.1"}, wanted, DEADLINE)["event"] == "numbers"


def test_a_child_that_was_killed_between_two_requests_is_replaced(child):
    engine = child(ANSWER)
    pid = engine.ask({"id": "1.1"}, wanted, DEADLINE)["numbers"]["pid"]
    psutil.Process(pid).kill()
    time.sleep(0.2)
    assert engine.ask({"id": "2.1"}, wanted, DEADLINE)["numbers"]["pid"] != pid


def test_a_run_past_its_deadline_is_stopped_and_the_deadline_told(child):
    engine = child(HANG)
    begun = time.monotonic()
    with pytest.raises(EngineStopped, match="^not done within 1 seconds$"):
        engine.ask({"id": "1.1"}, wanted, 1.0)
    assert time.monotonic() - begun < 10


def test_where_the_deadline_has_a_reason_it_is_told_too(child):
    why = "10 times its estimated cost"
    with pytest.raises(EngineStopped, match="^not done within 1 seconds, 10 times its estimated cost$"):
        child(HANG).ask({"id": "1.1"}, wanted, 1.0, why)


def test_each_request_has_its_own_deadline(child):
    engine = child("    time.sleep(0.5)\n" + ANSWER)
    assert engine.ask({"id": "1.1"}, wanted, DEADLINE)["event"] == "numbers"
    with pytest.raises(EngineStopped):
        engine.ask({"id": "2.1"}, wanted, 0.1)
    assert engine.ask({"id": "3.1"}, wanted, DEADLINE)["event"] == "numbers"


def test_a_run_that_takes_too_much_memory_is_stopped(child):
    with pytest.raises(EngineStopped, match=r"^out of memory: took \d+ MiB, more than the 100 MiB it may$"):
        child("    eaten = b'x' * 300_000_000\n" + HANG, memory=100).ask({"id": "1.1"}, wanted, DEADLINE)


def test_memory_is_counted_over_all_that_the_child_started(child):
    with pytest.raises(EngineStopped, match="^out of memory"):
        child(START + HANG, memory=150).ask({"id": "1.1"}, wanted, DEADLINE)


def test_what_the_child_started_is_gone_with_it(child):
    engine = child(START + HANG)
    pids = []

    def until_started(progress: Progress) -> bool:
        pids.append(progress.done)
        return not progress.done

    with pytest.raises(Abandoned):
        engine.ask({"id": "1.1"}, until_started, DEADLINE)
    assert ended(pids[-1])


def test_what_a_child_that_died_had_started_is_gone_too_and_its_exit_status_is_told(child):
    engine = child(START + "    time.sleep(0.5)\n    sys.exit(3)\n")
    pids = []
    with pytest.raises(EngineDied, match="exit status 3"):
        engine.ask({"id": "1.1"}, lambda progress: bool(pids.append(progress.done)) or True, DEADLINE)
    assert pids[-1]
    assert ended(pids[-1])


def test_nonsense_on_the_line_stops_the_run(child):
    with pytest.raises(EngineStopped, match="said what is no JSON"):
        child("    print('Loading weights 100%', flush=True)\n" + HANG).ask({"id": "1.1"}, wanted, DEADLINE)


def test_a_run_nobody_waits_for_is_given_up_and_its_child_is_gone(child):
    engine = child("    say(event='progress', done=os.getpid(), total=0, words='')\n" + HANG)
    pids = []

    def not_any_more(progress: Progress) -> bool:
        pids.append(progress.done)
        return not progress.done

    with pytest.raises(Abandoned):
        engine.ask({"id": "1.1"}, not_any_more, DEADLINE)
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
        engine.ask({"id": "1.1"}, stumble, DEADLINE)
    assert not is_running(pids[-1])


def test_a_child_that_is_killed_is_gone_and_may_be_killed_again(child):
    engine = child(ANSWER)
    pid = engine.ask({"id": "1.1"}, wanted, DEADLINE)["numbers"]["pid"]
    engine.kill()
    engine.kill()
    assert not is_running(pid)


def test_a_child_that_is_killed_in_the_middle_of_its_answer_has_died_and_what_it_began_to_say_is_not_repeated(child):
    engine = child(
        "    sys.stdout.write(json.dumps({'id': asked['id'], 'seed': 'secret'})[:-5]); sys.stdout.flush()\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    with pytest.raises(EngineDied, match="signal 9") as died:
        engine.ask({"id": "1.1"}, wanted, 30.0)
    assert "secret" not in str(died.value)


def test_a_child_that_closes_its_output_and_lives_on_holds_nobody_up(child, monkeypatch):
    monkeypatch.setattr("workers.child.TO_END", 0.2)
    engine = child("    os.close(1)\n" + HANG)
    with pytest.raises(EngineDied, match="signal 9"):
        engine.ask({"id": "1.1"}, wanted, DEADLINE)
