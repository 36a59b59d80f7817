"""One arm, in a process and an environment of its own: reads works as JSON lines, does them, and tells what they took.

    python -m benchmarks.engine.arm NAME FOLDER

NAME is a file in arms/. It holds `load(task)`, and `WORKS`: name -> work(model, task, sampled), a generator that gives
a first part when everything is prepared, and then the numbers of each sampled intervention, (…, pairs), in order; works
that are not sampled give the numbers of all.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import IO, Any

import torch
from safetensors.torch import save_file

from benchmarks.engine.inputs import Task, read

WARMING = 2  # pairs that a work is done on before it is first measured
PEAK = Path("/proc/self/clear_refs")  # writing 5 there sets the peak of resident memory back (Linux)


def main(name: str, folder: Path) -> None:
    said = _stdout_for_json()
    task, warm = read(folder), set[str]()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", torch.get_num_threads())))
    arm = import_module(f"benchmarks.engine.arms.{name}")
    imported = _status("VmRSS")
    model = arm.load(task)
    _say(said, {"works": sorted(arm.WORKS)})
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            work = arm.WORKS[asked["work"]]
            if asked["work"] not in warm:
                warm.add(asked["work"])
                list(work(model, task.first(WARMING), asked["sampled"][:1]))
            answer = _measured(work, model, task, asked)
            answer["peak"] -= 0 if task.device.startswith("cuda") else imported
        except Exception as error:  # noqa: BLE001 - whatever a peer raises is its answer
            answer = {"error": f"{type(error).__name__}: {error}"}
        _say(said, answer)


def _measured(work: Callable[..., Iterator[torch.Tensor]], model: Any, task: Task, asked: Any) -> dict[str, Any]:
    """prepared, seconds: until the first part came, and for the others. cpu: processor time. peak: bytes, see _peak."""
    _forget_peak(task.device)
    parts, walls, cpus = [], [_now(task.device)], [_cpu()]
    for part in work(model, task, asked["sampled"]):
        walls.append(_now(task.device))
        cpus.append(_cpu())
        parts.append(part.detach())
    peak = _peak(task.device)
    save_file({"prepared": parts[0].cpu().contiguous(), "found": _stacked(parts[1:])}, asked["to"])
    return {
        "prepared": walls[1] - walls[0],
        "seconds": walls[-1] - walls[1],
        "cpu_prepared": cpus[1] - cpus[0],
        "cpu": cpus[-1] - cpus[1],
        "peak": peak,
    }


def _stacked(parts: list[torch.Tensor]) -> torch.Tensor:
    return torch.cat(parts).cpu().contiguous() if parts else torch.empty(0)


def _now(device: str) -> float:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    return time.perf_counter()


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _forget_peak(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)
    elif PEAK.exists():
        PEAK.write_text("5", encoding="utf-8")


def _peak(device: str) -> int:
    """Bytes: of the device where that is a card, else what was resident, the interpreter and its imports included."""
    return torch.cuda.max_memory_allocated(device) if device.startswith("cuda") else _status("VmHWM")


def _status(name: str) -> int:
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="utf-8").splitlines() if status.exists() else []
    kilobytes = [int(line.split()[1]) for line in lines if line.startswith(f"{name}:")]
    return kilobytes[0] * 1024 if kilobytes else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _stdout_for_json() -> IO[str]:
    """What libraries print goes to standard error, so that it cannot come between the lines."""
    own = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return own


def _say(said: IO[str], answer: dict[str, Any]) -> None:
    said.write(json.dumps(answer) + "\n")
    said.flush()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
