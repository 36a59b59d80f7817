"""The worker's child, spoken to over real pipes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from typing import Any

import psutil
import pytest

from tests.engine.made_bundles import PAIRS, a_claim, a_measurement, bundle_document
from workers.engine.checkpoint import CannotLoad
from workers.engine.documents.bundle import control_of, measurement_of
from workers.engine.documents.measurement import Measurement
from workers.engine.loading import load_folder
from workers.engine.numbers import Numbers, PowerTried, SetsTried
from workers.engine.prompts import Refused
from workers.engine.serve import _answer_to, answer
from workers.engine.warm import Warm

ROOT = Path(__file__).parents[2]
CHILD = [sys.executable, "-m", "workers.engine", "serve"]
MODELS = ROOT / "fixtures" / "models"
REPEATED = {"generator": "repeated_tokens", "layouts": [{"segment": 10, "gap": 3}]}
NEEDED = {"metric": "accuracy", "components": ["1.2", "1.5"]}


def the_measurements(expect: Any, kind: str = "effect", **spec: Any) -> tuple[Measurement, Measurement]:
    """A claim's own measurement, and its control's."""
    loaded = load_folder(MODELS / "induction-2l")
    claim = {**a_claim("ablation", expect, **{**NEEDED, **spec}), "kind": kind}
    bundle = bundle_document(loaded, REPEATED, [claim], 0, metric="accuracy", chance=0.01, threshold=0.5)
    control = control_of(bundle, bundle.finding.claims[0])
    assert control is not None
    return measurement_of(bundle, bundle.finding.claims[0]), control


def a_request(measurement: Measurement, **fields: Any) -> dict[str, Any]:
    return {"id": "r1", "measurement": measurement.values(), "models": [str(MODELS)], **fields}


def asked(child: Popen[str], request: dict[str, Any]) -> dict[str, Any]:
    """The last reply of a child that goes on."""
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(json.dumps(request) + "\n")
    child.stdin.flush()
    while (reply := json.loads(child.stdout.readline()))["event"] == "progress":
        pass
    last: dict[str, Any] = reply
    return last


def spoken(*requests: dict[str, Any] | str) -> list[dict[str, Any]]:
    """What a child replies to these lines before it ends with its input."""
    lines = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in requests)
    done = subprocess.run(CHILD, cwd=ROOT, input=lines, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def answered(request: dict[str, Any]) -> dict[str, Any]:
    """The last reply, without a child."""
    replies: list[dict[str, Any]] = []
    answer(json.dumps(request), Warm(), replies.append)
    assert all(reply["event"] == "progress" for reply in replies[:-1])
    return replies[-1]


def test_a_child_answers_one_request_after_the_other_and_ends_with_its_input() -> None:
    own, control = the_measurements({"at_most": -0.5})
    gate = {"metric": "accuracy", "chance": 0.01, "threshold": 0.5}
    stakes = [{"expect": {"at_most": -0.5}, "kind": "effect", "gate": gate}]
    replies = spoken(a_request(own, draw=0, seed=None, stakes=stakes, device="cpu"), a_request(control, id="r2"))
    first = [reply for reply in replies if reply["id"] == "r1"]
    assert {"id": "r1", "event": "progress"}.items() <= first[0].items()
    assert set(first[0]) == {"id", "event", "done", "total", "words"}
    assert [reply["event"] for reply in replies].count("numbers") == 2
    numbers = Numbers.from_json(first[-1]["numbers"])
    assert (numbers.measurement, numbers.looks) == (own.sha256, (64,))
    sets = SetsTried.from_json(replies[-1]["numbers"])
    assert (sets.kind, sets.measurement) == ("random_sets", control.sha256)


def test_numbers_read_back_are_the_numbers_that_were_sent() -> None:
    own, _ = the_measurements({"at_most": -0.5})
    reply = answered(a_request(own))
    assert Numbers.from_json(reply["numbers"]).values() == reply["numbers"]


def test_a_power_control_is_answered_with_the_reference_edits_numbers() -> None:
    _, control = the_measurements({"between": [-0.05, 0.05]}, "absence", components=["1.0", "1.1"])
    found = PowerTried.from_json(answered(a_request(control))["numbers"])
    assert (found.kind, len(found.numbers.prompts)) == ("power", 64)


def test_without_stakes_one_look_of_the_prompts_asked_for_is_measured() -> None:
    own, _ = the_measurements({"at_most": -0.5})
    assert Numbers.from_json(answered(a_request(own, prompts=10))["numbers"]).looks == (10,)
    assert Numbers.from_json(answered(a_request(own))["numbers"]).looks == (64,)


def test_a_fresh_draw_has_its_seed() -> None:
    own, _ = the_measurements({"at_most": -0.5})
    numbers = Numbers.from_json(answered(a_request(own, draw=1, seed="ab" * 32, prompts=5))["numbers"])
    assert (numbers.draw, numbers.seed) == (1, "ab" * 32)
    assert answered(a_request(own, draw=1))["event"] == "refused"


@pytest.mark.parametrize(
    ("fields", "said"),
    [({"models": []}, "no checkpoint with the weights"), ({"draw": 2}, "needs a seed")],
)
def test_what_can_never_be_measured_is_refused_with_its_reason(fields: dict[str, Any], said: str) -> None:
    own, _ = the_measurements({"at_most": -0.5})
    reply = answered(a_request(own, **fields))
    assert reply["event"] == "refused"
    assert said in reply["reason"]


def test_an_older_version_of_a_technique_is_refused_before_weights_are_looked_for() -> None:
    own, _ = the_measurements({"at_most": -0.5})
    older = own.model_copy(update={"technique_version": 1})
    reply = answered({**a_request(older), "models": []})
    assert reply["event"] == "refused"
    assert "saved for version 1 of ablation" in reply["reason"]


def test_prompts_are_prepared_before_anything_is_measured(random_checkpoints: dict[str, Path]) -> None:
    loaded = load_folder(random_checkpoints["gpt2"])
    measurement = a_measurement(loaded, PAIRS, "ablation", components=["1.2@END+1"])
    reply = answered({**a_request(measurement), "models": [str(loaded.folder)]})
    assert reply["event"] == "refused"
    assert "'0 2 1 2 0 1': END+1 lies outside" in reply["reason"]


def test_a_line_that_is_no_request_is_answered_and_the_child_lives() -> None:
    own, _ = the_measurements({"at_most": -0.5})
    replies = spoken("not json", '{"id": 7}', a_request(own, prompts=4))
    assert [(reply["id"], reply["event"]) for reply in replies[:2]] == [(None, "errored"), (7, "errored")]
    assert "measurement: this field is required" in replies[1]["reason"]
    assert replies[-1]["event"] == "numbers"


def test_a_child_that_runs_out_of_memory_says_so_and_lives() -> None:
    """Between two requests its address space is cut to little more than it has; then the limit is lifted again."""
    own, _ = the_measurements({"at_most": -0.5})
    with Popen(CHILD, cwd=ROOT, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, text=True) as child:
        try:
            assert asked(child, a_request(own, prompts=4))["event"] == "numbers"
            process = psutil.Process(child.pid)
            _, hard = process.rlimit(psutil.RLIMIT_AS)
            process.rlimit(psutil.RLIMIT_AS, (process.memory_info().vms + 16 * 2**20, hard))
            short = asked(child, a_request(own, prompts=4096))
            process.rlimit(psutil.RLIMIT_AS, (hard, hard))
            again = asked(child, a_request(own, prompts=4))
        finally:
            child.kill()
    assert (short["event"], again["event"]) == ("errored", "numbers")
    assert short["reason"].startswith("out of memory: ")


def test_weights_for_which_there_is_no_memory_are_not_at_fault() -> None:
    """The checkpoint is found, and cannot be mapped."""
    own, _ = the_measurements({"at_most": -0.5})
    with Popen(CHILD, cwd=ROOT, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, text=True) as child:
        try:
            assert asked(child, a_request(own, models=[]))["event"] == "refused"
            process = psutil.Process(child.pid)
            _, hard = process.rlimit(psutil.RLIMIT_AS)
            process.rlimit(psutil.RLIMIT_AS, (process.memory_info().vms + 2**20, hard))
            short = asked(child, a_request(own))
        finally:
            child.kill()
    assert (short["event"], short["reason"][:13]) == ("errored", "out of memory"), short["reason"]


def test_a_text_that_speaks_of_memory_is_not_taken_for_a_lack_of_it() -> None:
    said = Refused("'I cannot allocate memory': is unknown to the tokenizer; use other words")
    assert _answer_to(said) == ("refused", str(said))


def test_out_of_memory_is_told_from_other_errors_by_what_torch_says() -> None:
    torch_says = RuntimeError(
        "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
    )
    assert _answer_to(torch_says) == ("errored", f"out of memory: {torch_says}")
    assert _answer_to(MemoryError()) == ("errored", "out of memory: MemoryError")
    for_want_of_words = "error return without exception set"
    assert _answer_to(SystemError(for_want_of_words)) == ("errored", f"out of memory: {for_want_of_words}")
    with pytest.raises(CannotLoad) as raised:
        raise CannotLoad("the weights do not fit") from OSError("Cannot allocate memory (os error 12)")
    assert _answer_to(raised.value) == ("errored", "out of memory: the weights do not fit")
    with pytest.raises(CannotLoad) as raised:
        raise CannotLoad("the weights do not fit") from RuntimeError("can't start new thread")
    assert _answer_to(raised.value) == ("errored", "out of memory: the weights do not fit")
    assert _answer_to(RuntimeError("shapes differ")) == ("errored", "RuntimeError: shapes differ")


def test_a_model_larger_than_the_worker_may_take_is_refused() -> None:
    own, _ = the_measurements({"at_most": -0.5})
    reply = answered(a_request(own, memory=1))
    assert (reply["event"], reply["reason"]) == ("refused", "needs about 2 MiB, this worker may take 1")


def test_what_a_library_prints_does_not_come_between_the_replies() -> None:
    code = (
        "import os, workers.engine.serve as s; replies = s._set_stdout_aside(); "
        "print('noise'); os.write(1, b'noise'); print('reply', file=replies, flush=True)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout == "reply\n"
    assert done.stderr.count("noise") == 2


def test_a_child_whose_parent_is_gone_ends() -> None:
    """The parent starts a child that waits for input for ever, tells when it has answered once, and is killed."""
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-m', 'workers.engine', 'serve'], stdin=int(sys.argv[1]),\n"
        "                         stdout=subprocess.PIPE, text=True)\n"
        "child.stdout.readline()\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    read_end, write_end = os.pipe()
    command = [sys.executable, "-c", code, str(read_end)]
    with Popen(command, cwd=ROOT, stdout=PIPE, text=True, pass_fds=[read_end]) as parent:
        try:
            os.write(write_end, b"{}\n")
            assert parent.stdout is not None
            child = psutil.Process(int(parent.stdout.readline()))
            parent.kill()
            assert ended(child)
        finally:
            parent.kill()
            os.close(read_end)
            os.close(write_end)


def ended(process: psutil.Process, seconds: float = 120) -> bool:
    """Many times what it needs: a machine may be busy with other things."""
    with suppress(psutil.TimeoutExpired, psutil.NoSuchProcess):
        process.wait(seconds)
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
