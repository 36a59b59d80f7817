"""A checkpoint's files before any of them is trusted: which weights it has, their hash, and what is refused unread.

Free of torch, so that a worker can say which models it could load without loading any.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import lru_cache
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

from workers.engine.architectures import known_architectures

SINGLE, INDEX, CONFIG, TOKENIZER = "model.safetensors", "model.safetensors.index.json", "config.json", "tokenizer.json"
ADAPTER = "adapter_config.json"
TRANSFORMER_LENS = {"n_layers", "n_heads", "d_model", "d_head", "d_vocab", "n_ctx"}
"""Keys of a config that TransformerLens wrote, which names no model_type: a toy model's."""
REFUSED = {  # keys of config.json with which something else would run or be read than the weights whose hash is stated
    "auto_map": "code that comes with a checkpoint is never run; remove the key if the family is a supported one",
    "quantization_config": "quantized weights are not measured; save the weights unquantized",
    "transformers_weights": f"the weights must be {SINGLE}, or the shards that {INDEX} names; remove the key",
    "attn_implementation": "the engine chooses how attention is computed; remove the key",
    "_attn_implementation": "the engine chooses how attention is computed; remove the key",
}


class CannotLoad(ValueError):
    """A checkpoint that is refused; the message says why and what to change."""


def config_of(folder: Path) -> dict[str, Any]:
    """The checkpoint's config.json, if nothing in it is to be refused."""
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CannotLoad(f"{path} cannot be read ({error}); a checkpoint needs a config.json") from error
    if not isinstance(config, dict):
        raise CannotLoad(f"{path} is not a JSON object")
    for key in REFUSED.keys() & config.keys():
        raise CannotLoad(f"{path} has {key!r}: {REFUSED[key]}")
    if "model_type" not in config and config.keys() >= TRANSFORMER_LENS:
        config["model_type"] = "toy"
    if config.get("model_type") not in known_architectures():
        raise CannotLoad(
            f"{path}: model_type is {config.get('model_type')!r}; "
            f"the supported families are {', '.join(known_architectures())}"
        )
    return config


def weight_files(folder: Path) -> list[Path]:
    """model.safetensors, or the shards that its index names; refuses a folder without either, and paths out of it."""
    if (folder / ADAPTER).exists():
        raise CannotLoad(f"{folder} holds an adapter ({ADAPTER}); merge it into its model and save that as safetensors")
    if (folder / SINGLE).is_file():
        return [folder / SINGLE]
    if not (folder / INDEX).is_file():
        raise CannotLoad(f"{folder} has no {SINGLE}; only safetensors are read, so convert other formats to it first")
    shards = [folder / name for name in _shard_names(folder / INDEX)]
    missing = [shard.name for shard in shards if not shard.is_file()]
    if missing:
        raise CannotLoad(f"{folder} lacks the shards {', '.join(missing)}, which its {INDEX} names")
    return shards


def _shard_names(index: Path) -> list[str]:
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise CannotLoad(f"{index} cannot be read as an index of shards ({error!r}); save the model again") from error
    for name in names:
        if not isinstance(name, str) or Path(name).name != name or not name.endswith(".safetensors"):
            raise CannotLoad(f"{index} names {name!r}; shards must be .safetensors files beside it")
    return names


def weights_sha256(folder: Path) -> str:
    """sha256 of model.safetensors; of a sharded model, of the sorted lines `sha256  name` of its shards.

    The latter is what `sha256sum model-*.safetensors | sort | sha256sum` prints.
    """
    files = weight_files(folder)
    if [file.name for file in files] == [SINGLE]:
        return f"sha256:{_file_sha256(files[0])}"
    lines = sorted(f"{_file_sha256(file)}  {file.name}\n" for file in files)
    return f"sha256:{sha256(''.join(lines).encode()).hexdigest()}"


def tokenizer_sha256(folder: Path) -> str | None:
    path = folder / TOKENIZER
    return f"sha256:{_file_sha256(path)}" if path.is_file() else None


def find_weights(weights_sha256: str, folders: Iterable[Path]) -> Path | None:
    """The checkpoint with these weights among the folders and their subfolders; an unchanged file is hashed once."""
    return next((folder for folder, found in checkpoints(folders) if found == weights_sha256), None)


def checkpoints(folders: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """Each loadable-looking checkpoint in the folders and their subfolders, with its weights' hash."""
    for folder in folders:
        for candidate in [folder, *sorted(path for path in folder.glob("*") if path.is_dir())]:
            if (candidate / SINGLE).is_file() or (candidate / INDEX).is_file():
                try:
                    yield candidate, weights_sha256(candidate)
                except CannotLoad:
                    continue  # another checkpoint's fault must not hide the one that is looked for


def _file_sha256(path: Path) -> str:
    status = path.stat()
    return _hashed(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=4096)
def _hashed(path: Path, size: int, mtime_ns: int) -> str:
    """size and mtime are there for the cache: a changed file is hashed again."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
