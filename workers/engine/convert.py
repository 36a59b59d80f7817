"""A TransformerLens state dict (torch.save) and its config, written as a checkpoint that the engine loads.

The file is a pickle, and pickles can run code: torch reads it with `weights_only`, which builds tensors and plain
containers and refuses everything else. What is written is loaded and checked before it takes its place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError  # noqa: TID251 # what torch raises where it refuses to unpickle
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from workers.engine.checkpoint import CONFIG, SINGLE, CannotLoad
from workers.engine.loading import load_folder
from workers.engine.toy.config import ToyConfig, config_from
from workers.engine.toy.names import refuse_misfits

BUFFER = re.compile(r"blocks\.\d+\.attn\.(mask|IGNORE)")
"""What TransformerLens saves beside its weights: the causal mask, and what stands for minus infinity."""


@dataclass(frozen=True)
class Converted:
    """dropped: buffers of the state dict that are no weights."""

    folder: Path
    weights_sha256: str
    dropped: tuple[str, ...]


def convert(file: Path, config_file: Path, to: Path) -> Converted:
    """Raises CannotLoad for what is no state dict of a toy model of that config; `to` must not be there yet."""
    if to.exists():
        raise CannotLoad(f"{to} is there already; name a new folder")
    stated = _stated(config_file)
    tensors = _tensors(file)
    weights = {name: tensor for name, tensor in tensors.items() if not BUFFER.fullmatch(name)}
    try:
        config = config_from(stated)
        refuse_misfits(weights, config)
    except ValueError as error:
        raise CannotLoad(f"{file} with {config_file}: {error}{_advice(weights, stated)}") from error
    weights_sha256 = _write(to, weights, stated, config)
    return Converted(to, weights_sha256, tuple(sorted(tensors.keys() - weights.keys())))


def _stated(file: Path) -> dict[str, Any]:
    try:
        stated = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CannotLoad(f"{file} cannot be read ({error}); write the HookedTransformerConfig as JSON") from error
    if not isinstance(stated, dict):
        raise CannotLoad(f"{file} is not a JSON object; write the HookedTransformerConfig's dictionary")
    return stated


def _tensors(file: Path) -> dict[str, Tensor]:
    try:
        found = torch.load(file, map_location="cpu", weights_only=True)  # noqa: TID251 # weights_only: nothing is run
    except UnpicklingError as error:
        raise CannotLoad(f"{file} holds more than tensors, and is not read: save model.state_dict() alone") from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, IndexError) as error:
        raise CannotLoad(f"{file} is no file of torch.save ({error!r})") from error
    if not isinstance(found, Mapping) or not all(isinstance(value, Tensor) for value in found.values()):
        held = ", ".join(map(str, list(found)[:5])) if isinstance(found, Mapping) else type(found).__name__
        raise CannotLoad(f"{file} holds {held}, not names and tensors; save the state dict alone")
    if odd := [str(name) for name, tensor in found.items() if not _is_weight(name, tensor)]:
        raise CannotLoad(f"{file}: {odd[0]} is no plain tensor of real numbers; convert the weights to float32")
    return dict(found)


def _is_weight(name: object, tensor: Tensor) -> bool:
    plain = tensor.layout == torch.strided and not tensor.is_quantized
    return isinstance(name, str) and plain and (tensor.is_floating_point() or bool(BUFFER.fullmatch(name)))


def _advice(weights: Mapping[str, Tensor], stated: Mapping[str, Any]) -> str:
    """What may have happened to weights that do not fit, where it can be seen."""
    if any(name.rpartition(".")[2].startswith("_W_") for name in weights):
        return "; keys and values shared by heads are not a toy model's: expand them first"
    pre = {"LN": "LNPre", "RMS": "RMSPre"}.get(stated.get("normalization_type", "LN"))
    if pre is not None and not any(".ln1." in name for name in weights):
        return f"; if the norms were folded into the weights, the config says normalization_type {pre!r}"
    return ""


def _write(to: Path, weights: dict[str, Tensor], stated: dict[str, Any], config: ToyConfig) -> str:
    """Written beside, loaded, and moved to its place only then; returns the weights' hash."""
    to.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=to.parent, prefix=f".{to.name}.") as beside:
        made = Path(beside) / to.name
        made.mkdir()
        text = json.dumps({**stated, "model_type": config.model_type}, indent=2, ensure_ascii=False)
        (made / CONFIG).write_text(text + "\n", encoding="utf-8")
        save_file({name: tensor.contiguous().clone() for name, tensor in weights.items()}, made / SINGLE)
        found = load_folder(made).weights_sha256
        made.rename(to)
    return found
