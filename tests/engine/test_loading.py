"""From a checkpoint to a proved model, and what is refused on the way."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import GPT2LMHeadModel

from workers.engine.loading import CannotLoad, load_folder, load_hub
from workers.engine.record import record

COMMIT = "0" * 40


@pytest.fixture
def folder(random_checkpoints: dict[str, Path], tmp_path: Path) -> Path:
    """A checkpoint of one's own to spoil."""
    return Path(shutil.copytree(random_checkpoints["gpt2"], tmp_path / "gpt2"))


def with_config(folder: Path, **keys: Any) -> Path:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **keys}))
    return folder


def with_weights(folder: Path, weights: dict[str, Tensor]) -> Path:
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


def test_a_checkpoint_is_loaded_exactly_and_for_reading_only(random_checkpoints: dict[str, Path]) -> None:
    for family, folder in random_checkpoints.items():
        loaded = load_folder(folder)
        assert (loaded.family, loaded.folder, loaded.tokenizer) == (family, folder, None)
        assert loaded.weights_sha256.startswith("sha256:") and loaded.tokenizer_sha256 is None
        assert not loaded.model.training
        for name, parameter in loaded.model.named_parameters():
            assert parameter.dtype == torch.float32 and not parameter.requires_grad, name
        stored = load_file(folder / "model.safetensors")
        assert all(torch.equal(loaded.model.state_dict()[name], tensor) for name, tensor in stored.items())


def test_the_fused_gelu_is_hugging_faces_own_function(folder: Path, tokens: Tensor) -> None:
    own = GPT2LMHeadModel.from_pretrained(folder).eval()
    with torch.no_grad():
        expected = own(input_ids=tokens).logits
        found = load_folder(folder).model(input_ids=tokens).logits
    assert ((found - expected).abs().max() / expected.abs().max()).item() < 1e-6


def test_shards_are_loaded_like_one_file(folder: Path, tmp_path: Path, tokens: Tensor) -> None:
    whole = load_folder(folder)
    GPT2LMHeadModel.from_pretrained(folder).save_pretrained(tmp_path / "sharded", max_shard_size="50KB")
    parts = load_folder(tmp_path / "sharded")
    assert not (tmp_path / "sharded" / "model.safetensors").exists()
    assert torch.equal(record(whole, tokens).resid[-1], record(parts, tokens).resid[-1])


@pytest.mark.checkpoints
def test_a_tokenizer_comes_with_its_hash(checkpoints: Path) -> None:
    loaded = load_folder(checkpoints / "stories260K")
    assert loaded.tokenizer is not None and loaded.tokenizer.get_vocab_size() == 512
    assert loaded.tokenizer_sha256 is not None
    assert loaded.weights_sha256 == "sha256:407a7c581bdd66972383ce9ad24857713fb98786d06ea564a2fe9b34ebe77dfd"


@pytest.mark.parametrize("dtype", ["float64", "bfloat16", "float16"])
def test_another_precision_is_loaded_when_asked_for_and_never_otherwise(folder: Path, dtype: str) -> None:
    stated = with_config(folder, dtype=dtype)
    assert load_folder(stated).model.dtype == torch.float32
    assert str(load_folder(stated, dtype=dtype).model.dtype) == f"torch.{dtype}"


def test_an_unknown_precision_is_refused(folder: Path) -> None:
    with pytest.raises(CannotLoad, match="dtype 'int8' is not measured; use float32 or float64 or bfloat16 or float16"):
        load_folder(folder, dtype="int8")


def test_a_model_is_not_spread_over_several_cards(folder: Path) -> None:
    with pytest.raises(CannotLoad, match="on one device: .* name one device, or ask for bfloat16"):
        load_folder(folder, "auto")


def test_code_of_the_checkpoint_is_never_run(folder: Path, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    (folder / "modeling_evil.py").write_text(f"open({str(mark)!r}, 'w')\n")
    load_folder(folder)
    with pytest.raises(CannotLoad, match="never run"):
        load_folder(with_config(folder, auto_map={"AutoModelForCausalLM": "modeling_evil.Evil"}))
    assert not mark.exists()


def test_missing_weights_are_not_made_up(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights.pop("transformer.h.2.attn.c_proj.weight")
    with pytest.raises(CannotLoad, match=r"lacks the weights transformer\.h\.2\.attn\.c_proj\.weight"):
        load_folder(with_weights(folder, weights))


def test_weights_of_another_shape_are_refused(folder: Path) -> None:
    with pytest.raises(CannotLoad, match="do not fit its config.json"):
        load_folder(with_config(folder, n_embd=64))


def test_a_config_of_nonsense_is_refused(folder: Path) -> None:
    with pytest.raises(CannotLoad, match="do not fit its config.json"):
        load_folder(with_config(folder, activation_function="no such function"))


def test_a_truncated_file_is_refused(folder: Path) -> None:
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CannotLoad, match="do not fit its config.json"):
        load_folder(folder)


def test_weights_that_are_not_numbers_are_refused(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["transformer.h.1.mlp.c_fc.bias"] = torch.full_like(weights["transformer.h.1.mlp.c_fc.bias"], float("nan"))
    with pytest.raises(CannotLoad, match="refused"):
        load_folder(with_weights(folder, weights))


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotLoad, match="needs a config.json"):
        load_folder(tmp_path / "absent")


@pytest.mark.parametrize(
    "repository", ["gpt2", "a/b/c", "../gpt2", "a/..", "./a", "a/..b", "/etc", "a b/c", "a/b\n", "~/a", "", "a/"]
)
def test_what_is_no_repository_id_is_refused(repository: str) -> None:
    with pytest.raises(CannotLoad, match="no repository id"):
        load_hub(repository, COMMIT)


@pytest.mark.parametrize("commit", ["main", "", COMMIT[:39], COMMIT + "0", "Z" * 40, "../" * 14])
def test_what_is_no_commit_is_refused(commit: str) -> None:
    with pytest.raises(CannotLoad, match="no commit"):
        load_hub("owner/name", commit)


def test_a_folder_here_is_no_repository(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent.parent)
    with pytest.raises(CannotLoad, match="is a folder here"):
        load_hub(f"{folder.parent.name}/{folder.name}", COMMIT)


def test_without_a_network_the_hub_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(CannotLoad, match="the hub cannot be reached; fetch it where there is a network"):
        load_hub("owner/name", COMMIT)


def test_a_snapshot_fetched_before_is_loaded_without_a_network(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    snapshot = cache / "models--owner--name" / "snapshots" / COMMIT
    shutil.copytree(folder, snapshot)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache))
    assert load_hub("owner/name", COMMIT).folder == snapshot


def test_a_broken_tokenizer_is_refused(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(CannotLoad, match="is no tokenizer"):
        load_folder(folder)
