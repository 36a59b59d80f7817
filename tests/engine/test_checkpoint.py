"""Which weights a folder has, and what is refused before it is read."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from workers.engine.checkpoint import (
    CannotLoad,
    config_of,
    find_weights,
    tokenizer_sha256,
    weight_files,
    weights_sha256,
)


def folder_with(folder: Path, config: dict[str, Any] | None = None, **files: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "gpt2", **(config or {})}))
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_bytes(content)
    return folder


def sharded(folder: Path, names: list[str]) -> Path:
    folder_with(folder)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {f"w{n}": n for n in names}}))
    return folder


def test_one_file_is_known_by_its_own_hash(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, model__safetensors=b"weights")
    assert weights_sha256(folder) == "sha256:" + hashlib.sha256(b"weights").hexdigest()


def test_shards_are_known_by_the_hash_of_their_sorted_hashes(tmp_path: Path) -> None:
    names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    folder = sharded(tmp_path, names)
    for name in names:
        (folder / name).write_text(name)
    lines = sorted(f"{hashlib.sha256(name.encode()).hexdigest()}  {name}\n" for name in names)
    assert weights_sha256(folder) == "sha256:" + hashlib.sha256("".join(lines).encode()).hexdigest()


def test_the_tokenizer_is_known_by_its_file_or_is_none(tmp_path: Path) -> None:
    assert tokenizer_sha256(folder_with(tmp_path)) is None
    folder_with(tmp_path, tokenizer__json=b"{}")
    assert tokenizer_sha256(tmp_path) == "sha256:" + hashlib.sha256(b"{}").hexdigest()


def test_weights_are_found_in_subfolders_past_broken_ones(tmp_path: Path) -> None:
    sharded(tmp_path / "a-broken", ["absent.safetensors"])
    found = folder_with(tmp_path / "b", model__safetensors=b"weights")
    stated = weights_sha256(found)
    assert find_weights(stated, [tmp_path / "none", tmp_path]) == found
    assert find_weights(stated, [found]) == found
    assert find_weights("sha256:" + "0" * 64, [tmp_path]) is None


def test_a_changed_file_is_hashed_again(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, model__safetensors=b"weights")
    before = weights_sha256(folder)
    (folder / "model.safetensors").write_bytes(b"WEIGHTS")
    os.utime(folder / "model.safetensors", ns=(1, 1))
    assert weights_sha256(folder) != before


@pytest.mark.parametrize(
    "key", ["auto_map", "quantization_config", "transformers_weights", "attn_implementation", "_attn_implementation"]
)
def test_a_config_that_would_run_or_read_something_else_is_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(CannotLoad, match=f"has '{key}': "):
        config_of(folder_with(tmp_path, {key: {"AutoModelForCausalLM": "modeling.Evil"}}))


@pytest.mark.parametrize("family", ["mamba", "../gpt2", "", None, 3])
def test_an_unknown_family_is_refused_with_the_known_ones(tmp_path: Path, family: object) -> None:
    with pytest.raises(CannotLoad, match="the supported families are cohere, .*, gpt2, "):
        config_of(folder_with(tmp_path, {"model_type": family}))


@pytest.mark.parametrize("text", ["", "[]", "{", "\xff"])
def test_a_config_that_is_no_object_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text, encoding="latin-1")
    with pytest.raises(CannotLoad, match="config.json"):
        config_of(tmp_path)


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotLoad, match="only safetensors are read"):
        weight_files(folder_with(tmp_path, pytorch_model__bin=b"pickle"))


def test_an_adapter_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotLoad, match="merge it"):
        weight_files(folder_with(tmp_path, model__safetensors=b"weights", adapter_config__json=b"{}"))


@pytest.mark.parametrize("name", ["../model.safetensors", "/etc/x.safetensors", "model.bin", "a/b.safetensors"])
def test_an_index_that_points_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(CannotLoad, match="beside it"):
        weight_files(sharded(tmp_path, [name]))


@pytest.mark.parametrize("index", ["", "[]", '{"weight_map": 1}', '{"weight_map": {"a": [1]}}'])
def test_an_index_that_is_none_is_refused(tmp_path: Path, index: str) -> None:
    (folder_with(tmp_path) / "model.safetensors.index.json").write_text(index)
    with pytest.raises(CannotLoad, match="index"):
        weight_files(tmp_path)


def test_missing_shards_are_named(tmp_path: Path) -> None:
    with pytest.raises(CannotLoad, match=r"lacks the shards model-1\.safetensors"):
        weight_files(sharded(tmp_path, ["model-1.safetensors"]))
