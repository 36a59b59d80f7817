"""What a machine measures on: which device, and how much memory models and batches may take there."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from workers.engine.cost import MEBIBYTE

SHARE_OF_RAM = 0.8
"""The rest is for the system and whatever else runs beside."""
CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


class NoDevice(ValueError):
    """The machine has no such device, or torch cannot use it; the message says which."""


@dataclass(frozen=True)
class Device:
    """memory: MiB."""

    device: str
    name: str
    memory: int
    torch: str

    def __str__(self) -> str:
        return f"{self.device}: {self.name}, {self.memory:,} MiB of memory, torch {self.torch}"


def device_of(name: str) -> Device:
    """name: as torch writes devices ("cpu", "cuda", "cuda:1"). Raises NoDevice."""
    import torch

    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise NoDevice(f"{name!r} is no device; write cpu, cuda or cuda:NUMBER") from error
    match device.type:
        case "cpu":
            return Device(name, _processor(), memory_of_this_machine(), torch.__version__)
        case "cuda":
            return _card(name, torch.__version__)
        case _:
            raise NoDevice(f"{name!r} is not measured on; take cpu or cuda")


def memory_of(name: str) -> int:
    """MiB of a device. Asked in a process of its own where that needs torch, so that the asker holds no card."""
    if name == "cpu":
        return memory_of_this_machine()
    command = [sys.executable, "-m", "workers.engine", "device", "--device", name, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NoDevice(done.stderr.strip())
    return int(json.loads(done.stdout)["memory"])


def memory_of_this_machine(cgroup_limit: Path = CGROUP_LIMIT) -> int:
    """MiB: a share of its RAM, or of what the container may take if that is less."""
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = cgroup_limit.read_text(encoding="utf-8").strip() if cgroup_limit.is_file() else "max"
    return int(SHARE_OF_RAM * (there if limit == "max" else min(there, int(limit)))) // MEBIBYTE


def _card(name: str, version: str) -> Device:
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    index = torch.device(name).index or 0
    if index >= count:
        raise NoDevice(f"{name!r} is not here: torch {version} sees {count} CUDA devices")
    card = torch.cuda.get_device_properties(index)
    return Device(name, card.name, card.total_memory // MEBIBYTE, version)


def _processor() -> str:
    return f"{platform.machine()}, {os.cpu_count()} cores"
