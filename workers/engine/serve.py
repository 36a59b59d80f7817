"""The worker's child: measurements in, numbers out, as JSON lines over standard input and output.

A request is one line, see `Request`. Replies carry its id: any number of {"event": "progress", "done", "total",
"words"}, then exactly one of {"event": "numbers", "numbers": ...} (Numbers, SetsTried or PowerTried),
{"event": "refused", "reason"} (the measurement cannot be made, now or ever) or {"event": "errored", "reason"}.
Real standard output is set aside for the replies at once, so that nothing a library prints can come between them.
Ends with its input; and if its parent is gone, in the middle of a run.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TextIO, assert_never

from workers.engine.checkpoint import CannotLoad
from workers.engine.control import try_power, try_sets
from workers.engine.documents.document import Document, Invalid
from workers.engine.documents.expect import ClaimKind, ExpectField
from workers.engine.documents.measurement import Measurement, Power, RandomSets
from workers.engine.edit import CannotEdit
from workers.engine.environment import REPEAT, make_deterministic
from workers.engine.freed import give_back_freed_memory
from workers.engine.judge import Gate, Stake
from workers.engine.matching import Mismatch
from workers.engine.measuring import Progress, job, measure
from workers.engine.prepare import prepare, require_this_version, vocabulary_of
from workers.engine.prompts import Refused
from workers.engine.warm import Warm

PROMPTS_WITHOUT_STAKES = 64
SECONDS_BETWEEN_LOOKS = 1.0
SECONDS_BETWEEN_WORDS = 0.2
OUT_OF_MEMORY = "out of memory"
NO_MEMORY = (
    *("can't allocate memory", "cannot allocate memory", "std::bad_alloc"),
    *("can't start new thread", "failed to map segment"),
    "error return without exception set",
)
"""How torch, the kernel (of a file too large to be mapped), C++, Python, the loader of libraries, and Python without
memory for the error say it."""


class GateAsked(Document):
    metric: str
    chance: float
    threshold: float


class StakeAsked(Document):
    """One claim's expectation of the measurement, and its behavior's gate."""

    expect: ExpectField
    kind: ClaimKind = "effect"
    gate: GateAsked | None = None


class Request(Document):
    """seed: null for draw 0 and for prompts that are not drawn. models: folders with checkpoints.

    prompts: how many in one look, where nothing is at stake. memory: MiB that the models kept loaded and the run may
    take; null: the two models used last are kept. command: what repeats the run, kept with its numbers.
    """

    id: str | int
    measurement: Measurement
    draw: int = 0
    seed: str | None = None
    stakes: tuple[StakeAsked, ...] = ()
    prompts: int | None = None
    device: str = "cpu"
    models: tuple[str, ...] = ()
    memory: int | None = None
    command: str = REPEAT


Say = Callable[[dict[str, Any]], None]


def serve() -> None:
    """Answer standard input's requests until it ends."""
    replies = _set_stdout_aside()
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    make_deterministic()
    answer_all(sys.stdin, lambda reply: print(json.dumps(reply, allow_nan=False), file=replies, flush=True))


def answer_all(lines: Iterable[str], say: Say) -> None:
    warm = Warm()
    for line in lines:
        if line.strip():
            answer(line, warm, say)


def answer(line: str, warm: Warm, say: Say) -> None:
    """One request; whatever goes wrong is the reply."""
    say({"id": _id_of(line), **_reply_to(line, warm, say)})


def _reply_to(line: str, warm: Warm, say: Say) -> dict[str, Any]:
    try:
        request = Request.read(line)
        found = run(request, warm, _progress(request, say)).values()
        give_back_freed_memory()
        return {"event": "numbers", "numbers": found}
    except Exception as error:  # noqa: BLE001 # the child must answer, and live; the reply and stderr say what happened
        event, reason = _answer_to(error)
        if reason.startswith(OUT_OF_MEMORY):
            traceback.clear_frames(error.__traceback__)  # they hold what there was no room for
            warm.forget()
            give_back_freed_memory()
        if event == "errored":
            traceback.print_exception(error)
        return {"event": event, "reason": reason}


def run(request: Request, warm: Warm, progress: Progress) -> Document:
    """Prepare, then measure: the claim's own numbers, or its control's."""
    measurement = request.measurement
    require_this_version(measurement)
    folders = [Path(folder) for folder in request.models]
    loaded = warm.load(measurement, folders, request.device, request.memory)
    prepare(measurement, vocabulary_of(loaded.tokenizer, measurement.model, loaded.outputs))
    made = job(measurement, request.draw, loaded, request.command, warm.fit(measurement, loaded))
    gates = [_gate(stake) for stake in request.stakes]
    match measurement.control:
        case None:
            stakes = [(_stake(measurement, stake), gate) for stake, gate in zip(request.stakes, gates, strict=True)]
            prompts = request.prompts if stakes else request.prompts or PROMPTS_WITHOUT_STAKES
            return measure(made, request.seed, stakes, progress, prompts)
        case RandomSets():
            chance = next((gate.chance for gate in gates if gate is not None), 0.0)
            return try_sets(made, measurement.control, request.seed, progress, chance)
        case Power():
            return try_power(made, measurement.control, request.seed, progress)
        case _:
            assert_never(measurement.control)


def _stake(measurement: Measurement, asked: StakeAsked) -> Stake:
    return Stake(measurement.technique, measurement.spec, asked.expect, asked.kind, measurement.model.dimensions)


def _gate(asked: StakeAsked) -> Gate | None:
    return None if asked.gate is None else Gate(asked.gate.metric, asked.gate.chance, asked.gate.threshold)


def _progress(request: Request, say: Say) -> Progress:
    last = [0.0]

    def tell(done: int, total: int, words: str) -> None:
        now = time.monotonic()
        if now - last[0] >= SECONDS_BETWEEN_WORDS:
            last[0] = now
            say({"id": request.id, "event": "progress", "done": done, "total": total, "words": words})

    return tell


def _id_of(line: str) -> Any:
    """Known even where the rest of the request is not understood; null where not even that is."""
    try:
        values = json.loads(line)
    except ValueError:
        return None
    return values.get("id") if isinstance(values, dict) else None


def _answer_to(error: Exception) -> tuple[str, str]:
    """The event and its reason. Memory that ran out while weights were read is no fault of theirs."""
    if _out_of_memory(error):
        return "errored", f"{OUT_OF_MEMORY}: {str(error) or type(error).__name__}"
    match error:
        case Refused() | CannotEdit() | CannotLoad() | Mismatch():
            return "refused", str(error)
        case Invalid():
            return "errored", f"not a request: {error}"
        case _:
            return "errored", f"{type(error).__name__}: {error}"


def _out_of_memory(error: BaseException | None) -> bool:
    """The error itself, or what it was raised from. Our own are ValueErrors, and may quote what somebody wrote."""
    import torch

    if error is None:
        return False
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    said = "" if isinstance(error, ValueError) else str(error).lower()
    return any(words in said for words in NO_MEMORY) or _out_of_memory(error.__cause__ or error.__context__)


def _set_stdout_aside() -> TextIO:
    """What was standard output, for replies alone; whatever is printed from now on goes to standard error."""
    sys.stdout.flush()
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return replies


def _end_with_parent(parent: int) -> None:
    """A worker that is killed leaves nothing running: its child sees that it has another parent now."""
    while os.getppid() == parent:
        time.sleep(SECONDS_BETWEEN_LOOKS)
    os._exit(1)
