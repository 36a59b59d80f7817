"""From a checkpoint to a proved model: safetensors only, none of its code, a supported family, else CannotLoad."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from tokenizers import Tokenizer
from torch import nn
from transformers.activations import NewGELUActivation

from workers.engine.anatomy import Loaded, Origin, survey
from workers.engine.architectures import Architecture, architecture
from workers.engine.checkpoint import (
    CONFIG,
    INDEX,
    SINGLE,
    TOKENIZER,
    CannotLoad,
    config_of,
    find_weights,
    tokenizer_sha256,
    weights_sha256,
)
from workers.engine.freed import keep_freed_memory
from workers.engine.products import with_fast_products
from workers.engine.selfcheck import selfcheck

__all__ = ["CannotLoad", "Loaded", "find_weights", "load_folder", "load_hub", "refuse_unpinned", "weights_sha256"]

FROM_HUB = [CONFIG, TOKENIZER, SINGLE, INDEX, "model-*.safetensors"]
REPOSITORY = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")
COMMIT = re.compile(r"[0-9a-f]{40}")
DTYPES = {
    "float32": torch.float32,
    "float64": torch.float64,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
SPREAD = "auto"  # in place of a device: the layers spread over all cards of the machine


def load_hub(repository: str, commit: str, device: str = "cpu", dtype: str = "float32") -> Loaded:
    """Load a model of the Hugging Face hub at a pinned commit; fetches JSON and safetensors files, nothing else."""
    refuse_unpinned(repository, commit)
    config_of(_fetched(repository, commit, [CONFIG]))  # refuse before gigabytes are fetched
    return load_folder(_fetched(repository, commit, FROM_HUB), device, dtype)


def refuse_unpinned(repository: str, commit: str) -> None:
    """Refuses what is no hub id (a path, above all) and no full commit."""
    parts = repository.split("/")
    if not REPOSITORY.fullmatch(repository) or any(".." in part or part.strip(".") == "" for part in parts):
        raise CannotLoad(f"{repository!r} is no repository id; write it as owner/name")
    if Path(repository).exists():
        raise CannotLoad(f"{repository!r} is a folder here; a checkpoint on disk is loaded by its weights' sha256")
    if not COMMIT.fullmatch(commit):
        raise CannotLoad(f"{commit!r} is no commit; write all 40 hexadecimal digits, branches and tags move")


def _fetched(repository: str, commit: str, patterns: list[str]) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repository, revision=commit, allow_patterns=patterns))
    except LocalEntryNotFoundError as error:
        raise CannotLoad(
            f"{repository}@{commit} is not on this machine and the hub cannot be reached; "
            "fetch it where there is a network, or keep the checkpoint in a models folder"
        ) from error
    except HfHubHTTPError as error:
        raise CannotLoad(f"the hub does not give out {repository}@{commit}: {error}") from error


def load_folder(folder: Path, device: str | torch.device = "cpu", dtype: str = "float32") -> Loaded:
    """Load a checkpoint from its folder, on `device`, and prove it there; raises CannotLoad.

    The weights are rounded to a half-precision dtype if that is asked for; never otherwise.
    """
    if dtype not in DTYPES:
        raise CannotLoad(f"dtype {dtype!r} is not measured; use {' or '.join(DTYPES)}")
    _refuse_spreading(device)
    config, weights = config_of(folder), weights_sha256(folder)
    family = architecture(config["model_type"])
    model = with_fast_products(_model(folder, family, DTYPES[dtype]).to(device))
    origin = Origin(config["model_type"], folder, weights, tokenizer_sha256(folder), _tokenizer(folder))
    keep_freed_memory()
    with misreadings_refused(folder, config["model_type"]):
        loaded = survey(model, family, origin, torch.device(device))
    refuse_unproved(loaded)
    return loaded


def _refuse_spreading(device: str | torch.device) -> None:
    if str(device) != SPREAD:
        return
    missing = "" if find_spec("accelerate") else " (and accelerate is not installed: pip install accelerate)"
    raise CannotLoad(
        "a model is measured on one device: transformers spreads layers over cards with accelerate's hooks, under "
        f"which no replay has been proved{missing}; name one device, or ask for bfloat16, which halves the memory"
    )


def _model(folder: Path, family: Architecture, dtype: torch.dtype) -> Any:
    reader: Any = family.MODEL
    try:
        model, info = reader.from_pretrained(
            folder,
            dtype=dtype,
            use_safetensors=True,
            local_files_only=True,
            # eager alone gives attention patterns, and an explicit mask whose rows can be taken apart
            attn_implementation="eager",
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, TypeError, KeyError, SafetensorError) as error:
        raise CannotLoad(f"the weights in {folder} do not fit its config.json: {error}") from error
    if absent := sorted(info["missing_keys"]):  # Hugging Face would go on with random numbers in their place
        raise CannotLoad(f"{folder} lacks the weights {', '.join(absent[:5])}{' …' if len(absent) > 5 else ''}")
    return _with_fused_gelu(model).eval().requires_grad_(False)


def _tokenizer(folder: Path) -> Tokenizer | None:
    if not (folder / TOKENIZER).is_file():
        return None
    try:
        return Tokenizer.from_file(str(folder / TOKENIZER))
    except Exception as error:  # the library raises nothing more special
        raise CannotLoad(f"{folder / TOKENIZER} is no tokenizer: {error}") from error


def _with_fused_gelu(model: nn.Module) -> nn.Module:
    """Hugging Face composes GPT-2's tanh GELU in Python; torch's kernel, 7 times as fast, has the same formula."""
    for module in model.modules():
        for name, child in module.named_children():
            if isinstance(child, NewGELUActivation):
                setattr(module, name, nn.GELU(approximate="tanh"))
    return model


def refuse_unproved(loaded: Loaded) -> None:
    """Run the self-check on the loaded weights; raises CannotLoad with every comparison that is off."""
    with misreadings_refused(loaded.folder, loaded.family):
        off = [found for found in selfcheck(loaded) if not found.holds]
    if off:
        found = "; ".join(f"{one.what}: {one.relative:.1e}" for one in off[:5])
        raise CannotLoad(
            f"{loaded.folder}: the engine does not compute this {loaded.family} rightly, so it is refused "
            f"({len(off)} comparisons off by more than {off[0].tolerance:.0e}: {found})"
        )


@contextmanager
def misreadings_refused(folder: Path, family: str) -> Iterator[None]:
    """What a family file expects of the modules, and this checkpoint's config has made otherwise."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except (AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise CannotLoad(
            f"{folder}: this variant of {family} is laid out otherwise than the engine knows, so it is refused "
            f"({type(error).__name__}: {error}); use a checkpoint with the family's usual config"
        ) from error
