"""Arms in turn: each round runs every arm once, the next in reverse order, so that a slow minute hits them all."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from benchmarks.engine.environments import ROOT, Absent, python_of, surroundings
from benchmarks.engine.inputs import Shape
from benchmarks.engine.works import Work

LAST_WORDS = 2000  # characters of what a process said before it ended


@dataclass(frozen=True)
class Took:
    """seconds and cpu (processor time): of the whole work, sampled interventions scaled.

    peak: bytes, at most, beside the interpreter and what it imports; the model is in it.
    """

    seconds: float
    cpu: float
    peak: int


@dataclass
class Arm:
    """A process that answers."""

    name: str
    process: subprocess.Popen[str]
    log: Path
    works: frozenset[str] = frozenset()
    took: list[Took] = field(default_factory=list)

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            words = self.log.read_text(encoding="utf-8", errors="replace")[-LAST_WORDS:].strip().splitlines()
            raise Absent(words[-1] if words else "its process ended without a word")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise Absent(answer["error"])
        return answer

    def ask(self, work: Work, shape: Shape, to: Path) -> Took:
        assert self.process.stdin is not None
        sampled = () if self.name == "ours" else work.sampled(shape)
        self.process.stdin.write(json.dumps({"work": work.name, "sampled": sampled, "to": str(to)}) + "\n")
        self.process.stdin.flush()
        said = self.answer()
        times = work.interventions(shape) / len(sampled) if sampled else 1
        return Took(
            said["prepared"] + times * said["seconds"], said["cpu_prepared"] + times * said["cpu"], said["peak"]
        )


@contextmanager
def arm(name: str, folder: Path, threads: int) -> Iterator[Arm]:
    """An arm that has loaded its model; gone when the block is left. Raises Absent."""
    python, log = python_of(name), folder / f"{name}.log"
    with log.open("w", encoding="utf-8") as errors:
        process = subprocess.Popen(
            [str(python), "-m", "benchmarks.engine.arm", name, str(folder)],
            cwd=ROOT,
            env={**surroundings(name), "OMP_NUM_THREADS": str(threads)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            made = Arm(name, process, log)
            made.works = frozenset(made.answer()["works"])
            yield made
        finally:
            process.kill()
            process.wait()


@dataclass(frozen=True)
class Compared:
    """took: arm -> what each round took. found: arm -> its numbers. absent: arm -> why."""

    took: dict[str, list[Took]]
    found: dict[str, dict[str, Tensor]]
    absent: dict[str, str]


def compared(work: Work, peers: Sequence[str], folder: Path, shape: Shape, rounds: int, threads: int) -> Compared:
    """Every arm of one work, so many rounds."""
    absent: dict[str, str] = {}
    found: dict[str, dict[str, Tensor]] = {}
    with ExitStack() as stack:
        arms: list[Arm] = []
        for name in ("ours", *peers):
            try:
                started = stack.enter_context(arm(name, folder, threads))
                if work.name not in started.works:
                    raise Absent(f"the {name} arm does not do this")
                arms.append(started)
            except Absent as reason:
                absent[name] = str(reason)
        for number in range(rounds):
            for one in list(arms if number % 2 == 0 else reversed(arms)):
                try:
                    to = folder / f"{one.name}.safetensors"
                    one.took.append(one.ask(work, shape, to))
                    found[one.name] = load_file(to)
                except Absent as reason:
                    absent[one.name] = str(reason)
                    arms.remove(one)
        done = {one.name: one for one in arms}
    return Compared(
        took={name: one.took for name, one in done.items()},
        found={name: found[name] for name in done},
        absent=absent,
    )
