"""What a machine measures on, as its command tells it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from workers.engine.device import NoDevice, device_of, memory_of, memory_of_this_machine

ROOT = Path(__file__).parents[2]
INSTALLED = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
NEEDS_A_CARD = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


def told(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "workers.engine", "device", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def test_a_processor_measures_in_four_fifths_of_the_memory_there_is(tmp_path: Path) -> None:
    assert memory_of_this_machine(tmp_path / "absent") == int(0.8 * INSTALLED) // 2**20


@pytest.mark.parametrize(("limit", "expected"), [("1073741824\n", 819), ("max\n", int(0.8 * INSTALLED) // 2**20)])
def test_a_container_measures_in_four_fifths_of_what_it_may_take(tmp_path: Path, limit: str, expected: int) -> None:
    (tmp_path / "memory.max").write_text(limit)
    assert memory_of_this_machine(tmp_path / "memory.max") == expected


def test_the_command_tells_it_to_machines_and_people() -> None:
    found = json.loads(told("--json").stdout)
    assert (found["device"], found["memory"], found["torch"]) == ("cpu", memory_of("cpu"), torch.__version__)
    assert told().stdout == f"{device_of('cpu')}\n"


@pytest.mark.parametrize(
    ("name", "said"),
    [("cuda:99", "'cuda:99' is not here"), ("gpu", "'gpu' is no device"), ("meta", "'meta' is not measured on")],
)
def test_a_device_that_is_not_there_is_told(name: str, said: str) -> None:
    done = told("--device", name)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith(said)


def test_a_card_is_asked_for_its_memory_in_a_process_of_its_own() -> None:
    with pytest.raises(NoDevice, match="'cuda:99' is not here"):
        memory_of("cuda:99")


@NEEDS_A_CARD
def test_a_card_measures_in_its_own_memory() -> None:
    assert memory_of("cuda") == torch.cuda.get_device_properties(0).total_memory // 2**20
