"""Arms in processes of their own: what they are given, what they answer, and how a missing one is said."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from benchmarks.engine import environments
from benchmarks.engine.environments import Absent, python_of, ran
from benchmarks.engine.inputs import Shape, read, write
from benchmarks.engine.rounds import arm, compared
from benchmarks.engine.works import WORKS

SHAPE = Shape(layers=2, heads=2, pairs=3, length=6, first=4)
SWEEP = WORKS[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("task"), SHAPE, "cpu")


def test_prompts_are_the_same_for_every_arm_and_differ_from_the_first_change_on(folder: Path) -> None:
    task = read(folder)
    assert task.clean.shape == task.corrupted.shape == (3, 6)
    assert torch.equal(task.clean[:, :4], task.corrupted[:, :4])
    assert not torch.equal(task.clean[:, 4], task.corrupted[:, 4])
    assert len(task.circuit) + len(task.others()) == 4


def test_our_arm_runs_the_whole_sweep_and_tells_what_it_took(folder: Path) -> None:
    with arm("ours", folder, threads=1) as ours:
        took = ours.ask(SWEEP, SHAPE, folder / "found.safetensors")
        assert {work.name for work in WORKS} <= ours.works
    assert took.seconds > 0 and took.cpu > 0 and took.peak > 2**20
    assert ours.process.returncode is not None


def test_a_peer_that_is_not_there_is_absent_with_its_reason(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EAP_IG", raising=False)
    found = compared(SWEEP, ("eap_ig",), folder, SHAPE, rounds=2, threads=1)
    assert len(found.took["ours"]) == 2
    assert found.found["ours"]["found"].shape == (4, 3)
    assert "EAP_IG=" in found.absent["eap_ig"]


def test_an_environment_that_cannot_be_made_is_absent_in_its_installers_words() -> None:
    with pytest.raises(Absent, match="no such package"):
        ran([sys.executable, "-c", "import sys; sys.exit('no such package')"])


def test_an_environment_is_kept_while_its_requirements_say_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environments, "FOLDER", tmp_path)
    requirements = environments.ROOT / "requirements" / "peers.txt"
    (tmp_path / "peers").mkdir()
    (tmp_path / "peers" / "installed").write_text(requirements.read_text(encoding="utf-8"), encoding="utf-8")
    assert python_of("pyvene") == tmp_path / "peers" / "bin" / "python"


def test_what_an_arm_says_before_it_ends_is_the_reason(tmp_path: Path) -> None:
    with pytest.raises(Absent, match=r"task\.json"), arm("ours", tmp_path, threads=1):
        pass
