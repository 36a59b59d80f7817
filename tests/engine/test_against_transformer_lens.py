"""The engine's numbers against those that TransformerLens 3.9 gave on the same weights (benchmarks/stored)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks.engine.arms.ours import settings_of
from benchmarks.engine.inputs import Task
from workers.engine.loading import Loaded, load_folder
from workers.engine.replay import logits
from workers.engine.setting import Setting
from workers.engine.techniques import TECHNIQUES

STORED = Path(__file__).parents[2] / "benchmarks" / "stored"
TOLERANCE = 1e-4


class Stored:
    """One model, the prompts, and TransformerLens's numbers by name."""

    def __init__(self, folder: Path) -> None:
        said = json.loads((folder / "numbers.json").read_text(encoding="utf-8"))
        prompts = {name: torch.tensor(values) for name, values in said["prompts"].items()}
        self.loaded: Loaded = load_folder(folder)
        self.numbers = {name: torch.tensor(values) for name, values in said["numbers"].items()}
        task = Task(folder, "cpu", **prompts, circuit=(), layers=self.loaded.layers, heads=self.loaded.heads)
        (self.setting,) = settings_of(self.loaded, task)

    @property
    def heads(self) -> list[str]:
        return [f"{layer}.{head}" for layer in range(self.loaded.layers) for head in range(self.loaded.heads)]


@pytest.fixture(params=["gpt2", "llama"], scope="module")
def stored(request: pytest.FixtureRequest) -> Stored:
    return Stored(STORED / request.param)


def effects(setting: Setting, technique: str, places: list[str], **fields: Any) -> Tensor:
    """(place, prompt): the logit difference with each place edited by itself."""
    asked = TECHNIQUES[technique]
    specs = [
        asked.spec.from_json({"metric": "logit_diff", "corruption": "other", **fields, "components": [place]})
        for place in places
    ]
    return torch.stack([effect.arm["logit_diff"] for effect in asked.run(setting, specs)]).float()


def assert_same(ours: Tensor, theirs: Tensor) -> None:
    """And that there is something to compare: numbers that differ from one another by more than is forgiven."""
    assert ours.shape == theirs.shape
    assert float(theirs.std()) > 100 * TOLERANCE
    torch.testing.assert_close(ours, theirs, atol=TOLERANCE, rtol=0)


def test_logits(stored: Stored) -> None:
    assert_same(logits(stored.loaded, stored.setting.clean.resid[-1][:, -1]), stored.numbers["logits"])


def test_attention_patterns(stored: Stored) -> None:
    ours = torch.stack([stored.setting.pattern(layer) for layer in range(stored.loaded.layers)])
    assert_same(ours, stored.numbers["pattern"])


def test_patching_of_every_head(stored: Stored) -> None:
    assert_same(effects(stored.setting, "activation_patching", stored.heads), stored.numbers["head patching"])


def test_patching_of_the_residual_stream_by_position(stored: Stored) -> None:
    places = [f"resid.{layer}@P{at}" for layer in range(stored.loaded.layers) for at in (3, 5, 7)]
    assert_same(effects(stored.setting, "activation_patching", places), stored.numbers["residual patching"])


def test_mean_ablation_over_corrupted_prompts(stored: Stored) -> None:
    ours = effects(stored.setting, "ablation", stored.heads, ablation="mean")
    assert_same(ours, stored.numbers["mean ablation"])


@pytest.mark.parametrize("value_bias", ["raw", "folded"])
def test_zero_ablation_under_either_convention_of_the_value_bias(stored: Stored, value_bias: str) -> None:
    ours = effects(stored.setting, "ablation", stored.heads, ablation="zero", value_bias=value_bias)
    assert_same(ours, stored.numbers[f"zero ablation {value_bias}"])


@pytest.mark.parametrize("mlps", ["recomputed", "frozen"])
def test_paths_from_every_head_to_the_logits(stored: Stored, mlps: str) -> None:
    ours = effects(stored.setting, "path_patching", stored.heads, mlps=mlps)
    assert_same(ours, stored.numbers[f"path patching {mlps}"])


def test_attribution_patching_of_every_head(stored: Stored) -> None:
    ours = effects(stored.setting, "attribution_patching", stored.heads)
    assert_same(ours, stored.numbers["attribution patching"])


def test_direct_logit_attribution_of_every_head(stored: Stored) -> None:
    ours = effects(stored.setting, "direct_logit_attribution", stored.heads, corruption=None)
    assert_same(ours, stored.numbers["direct logit attribution"])


def test_the_conventions_of_zero_ablation_really_differ_where_there_are_value_biases() -> None:
    numbers = Stored(STORED / "gpt2").numbers
    assert (numbers["zero ablation raw"] - numbers["zero ablation folded"]).abs().max() > 100 * TOLERANCE
