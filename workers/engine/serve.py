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
from collections import OrderedDict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TextIO, assert_never

from workers.engine.anatomy import Loaded
from workers.engine.checkpoint import CannotLoad
from workers.engine.control import try_power, try_sets
from workers.engine.documents.document import Document, Invalid
from workers.engine.documents.expect import ClaimKind, ExpectField
from workers.engine.documents.measurement import Measurement, Power, RandomSets
from workers.engine.edit import CannotEdit
from workers.engine.environment import REPEAT, make_deterministic
from workers.engine.fit import Fit
from workers.engine.judge import Gate, Stake
from workers.engine.matching import Mismatch, load
from workers.engine.measuring import Progress, fit_of, job, measure
from workers.engine.prepare import prepare, vocabulary_of
from workers.engine.prompts import Refused
from workers.engine.sampling import claimed

KEPT_WARM = 2
PROMPTS_WITHOUT_STAKES = 64
SECONDS_BETWEEN_LOOKS = 1.0
SECONDS_BETWEEN_WORDS = 0.2


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

    prompts: how many in one look, where nothing is at stake. command: what repeats the run, kept with its numbers.
    """

    id: str | int
    measurement: Measurement
    draw: int = 0
    seed: str | None = None
    stakes: tuple[StakeAsked, ...] = ()
    prompts: int | None = None
    device: str = "cpu"
    models: tuple[str, ...] = ()
    command: str = REPEAT


Say = Callable[[dict[str, Any]], None]


class Warm:
    """The models loaded last, by what they are; the one used longest ago makes room. And the last run's fit."""

    def __init__(self) -> None:
        self._models: OrderedDict[tuple[str, str, str], Loaded] = OrderedDict()
        self._fit: tuple[str, Fit] | None = None

    def load(self, request: Request) -> Loaded:
        measurement = request.measurement
        key = (measurement.model.sha256, request.device, measurement.dtype)
        if key in self._models:
            self._models.move_to_end(key)
            return self._models[key]
        self._fit = None  # it would keep its model from making room
        while len(self._models) >= KEPT_WARM:
            self._models.popitem(last=False)
        folders = [Path(folder) for folder in request.models]
        self._models[key] = load(measurement.model, folders, request.device, measurement.dtype)
        return self._models[key]

    def fit(self, measurement: Measurement, loaded: Loaded) -> Fit:
        """The draws of a measurement and its control mostly follow one another."""
        key = claimed(measurement).sha256
        if self._fit is None or self._fit[0] != key or self._fit[1].loaded is not loaded:
            self._fit = (key, fit_of(measurement, loaded))
        return self._fit[1]

    def forget(self) -> None:
        self._models.clear()
        self._fit = None


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
    number = _id_of(line)
    try:
        request = Request.read(line)
        found = run(request, warm, _progress(request, say))
        say({"id": number, "event": "numbers", "numbers": found.values()})
    except (Refused, CannotEdit, CannotLoad, Mismatch) as error:
        say({"id": number, "event": "refused", "reason": str(error)})
    except Invalid as error:
        say({"id": number, "event": "errored", "reason": f"not a request: {error}"})
    except Exception as error:  # noqa: BLE001 # the child must answer, and live; the reply and stderr say what happened
        traceback.print_exc()
        if _out_of_memory(error):
            warm.forget()
        say({"id": number, "event": "errored", "reason": _reason(error)})


def run(request: Request, warm: Warm, progress: Progress) -> Document:
    """Prepare, then measure: the claim's own numbers, or its control's."""
    measurement = request.measurement
    loaded = warm.load(request)
    prepare(measurement, vocabulary_of(loaded.tokenizer, measurement.model))
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
    return Stake(measurement.technique, measurement.spec, asked.expect, asked.kind)


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


def _reason(error: Exception) -> str:
    if _out_of_memory(error):
        return f"out of memory: {error}"
    return f"{type(error).__name__}: {error}"


def _out_of_memory(error: Exception) -> bool:
    import torch

    said = str(error).lower()
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in said


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
