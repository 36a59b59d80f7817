"""From a TransformerLens state dict to a checkpoint: the same numbers, and nothing of the file is ever run."""

from __future__ import annotations

import json
import pickle  # noqa: TID251 # to make the files that must not be read
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.engine.made_toys import SMALL, forward, toy_weights
from workers.engine.__main__ import CANNOT_RUN, main
from workers.engine.convert import convert
from workers.engine.loading import CannotLoad, load_folder

# what HookedTransformerConfig.to_dict() holds beside what decides the computing
STATED = {**SMALL, "normalization_type": "LN", "model_name": "custom", "device": "cpu", "seed": 1, "dtype": None}


def saved(folder: Path, weights: object, config: dict[str, Any] | None = None) -> tuple[Path, Path]:
    torch.save(weights, folder / "model.pt")
    (folder / "stated.json").write_text(json.dumps(config or STATED))
    return folder / "model.pt", folder / "stated.json"


def buffers() -> dict[str, Tensor]:
    mask, ignore = torch.ones(8, 8, dtype=torch.bool).tril(), torch.tensor(-1e5)
    named = {"mask": mask, "IGNORE": ignore}
    return {f"blocks.{layer}.attn.{name}": value for layer in (0, 1) for name, value in named.items()}


def test_a_converted_model_computes_what_the_state_dict_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights, to = toy_weights(STATED), tmp_path / "to"
    file, config = saved(tmp_path, weights | buffers())
    assert main(["convert", str(file), "--config", str(config), "--to", str(to)]) == 0
    loaded = load_folder(to)
    told = capsys.readouterr().out
    assert loaded.weights_sha256 in told and "blocks.0.attn.IGNORE, blocks.0.attn.mask, blocks.1" in told
    tokens = torch.tensor([[0, 3, 6, 2, 5]])
    expected = forward(STATED, weights, tokens)
    assert float((loaded.model(tokens).logits - expected).abs().max() / expected.abs().max()) < 1e-5
    assert sorted(path.name for path in to.iterdir()) == ["config.json", "model.safetensors"]
    assert json.loads((to / "config.json").read_text()) == {**STATED, "model_type": "toy"}


def test_older_torch_files_are_read_too(tmp_path: Path) -> None:
    file, config = saved(tmp_path, {})
    torch.save(toy_weights(STATED), file, _use_new_zipfile_serialization=False)
    assert convert(file, config, tmp_path / "to").dropped == ()


class Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("how", ["zip", "legacy", "pickle"])
def test_a_file_that_would_run_code_is_refused_and_runs_none(
    how: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mark = tmp_path / "was-run"
    file, config = saved(tmp_path, {})
    evil = {**toy_weights(STATED), "blocks.0.attn.mask": Evil(mark)}
    if how == "pickle":
        file.write_bytes(pickle.dumps(evil))
    else:
        torch.save(evil, file, _use_new_zipfile_serialization=how == "zip")
    assert main(["convert", str(file), "--config", str(config), "--to", str(tmp_path / "to")]) == CANNOT_RUN
    assert "holds more than tensors, and is not read" in capsys.readouterr().err
    assert not mark.exists() and not (tmp_path / "to").exists()
    pickle.loads(pickle.dumps(Evil(mark)))  # noqa: S301 # the trap is a working one
    assert mark.exists()


@pytest.mark.parametrize(
    ("weights", "told"),
    [
        ({"model": {"embed.W_E": torch.zeros(7, 10)}, "epoch": 3}, "holds model, epoch, not names and tensors"),
        ([torch.zeros(2)], "holds list, not names and tensors"),
        ({1: torch.zeros(2)}, "1 is no plain tensor"),
        ({"embed.W_E": torch.zeros(7, 10, dtype=torch.int64)}, "embed.W_E is no plain tensor of real numbers"),
        ({"embed.W_E": torch.zeros(7, 10).to_sparse()}, "embed.W_E is no plain tensor"),
    ],
)
def test_what_is_no_state_dict_is_refused(weights: object, told: str, tmp_path: Path) -> None:
    with pytest.raises(CannotLoad, match=told):
        convert(*saved(tmp_path, weights), tmp_path / "to")


@pytest.mark.parametrize("text", [b"", b"not a pickle", b"PK\x03\x04 cut off"])
def test_what_torch_did_not_save_is_refused(text: bytes, tmp_path: Path) -> None:
    file, config = saved(tmp_path, {})
    file.write_bytes(text)
    with pytest.raises(CannotLoad, match=r"model\.pt"):
        convert(file, config, tmp_path / "to")


def test_norms_folded_into_the_weights_are_told_from_missing_ones(tmp_path: Path) -> None:
    folded = {name: tensor for name, tensor in toy_weights(STATED).items() if "ln" not in name}
    with pytest.raises(CannotLoad, match="the config says normalization_type 'LNPre'"):
        convert(*saved(tmp_path, folded), tmp_path / "to")
    convert(*saved(tmp_path, folded, {**STATED, "normalization_type": "LNPre"}), tmp_path / "to")


@pytest.mark.parametrize(
    ("more", "changed", "told"),
    [
        ({"blocks.0.attn._W_K": torch.zeros(1, 10, 4)}, {}, "shared by heads are not a toy model's"),
        ({"blocks.0.attn.rotary_sin": torch.zeros(8, 4)}, {}, "no place for blocks.0.attn.rotary_sin"),
        ({}, {"positional_embedding_type": "rotary"}, "positional_embedding_type is 'rotary'"),
        ({}, {"gated_mlp": True}, "gated_mlp is True"),
        ({}, {"d_model": 12}, r"is \(.*\); by the config it is \("),
        ({}, {"auto_map": {}}, "has 'auto_map'"),
    ],
)
def test_models_that_are_no_toys_are_refused(
    more: dict[str, Tensor], changed: dict[str, Any], told: str, tmp_path: Path
) -> None:
    file, config = saved(tmp_path, {**toy_weights(STATED), **more}, {**STATED, **changed})
    with pytest.raises(CannotLoad, match=told):
        convert(file, config, tmp_path / "to")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.pt", "stated.json"]


def test_weights_that_are_not_numbers_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    weights = toy_weights(STATED)
    weights["unembed.W_U"][0, 0] = float("nan")
    with pytest.raises(CannotLoad, match="refused"):
        convert(*saved(tmp_path, weights), tmp_path / "to")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.pt", "stated.json"]


def test_nothing_is_written_over(tmp_path: Path) -> None:
    file, config = saved(tmp_path, toy_weights(STATED))
    (tmp_path / "to").mkdir()
    with pytest.raises(CannotLoad, match="is there already"):
        convert(file, config, tmp_path / "to")


@pytest.mark.parametrize("text", ["", "[1]", "{"])
def test_a_config_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    file, config = saved(tmp_path, toy_weights(STATED))
    config.write_text(text)
    with pytest.raises(CannotLoad, match=r"stated\.json"):
        convert(file, config, tmp_path / "to")
