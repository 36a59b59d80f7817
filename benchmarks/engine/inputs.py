"""What all arms compute on: a random checkpoint of GPT-2 small's shape, and prompts in pairs. Handed over as files.

Biases and gains are uneven, so that a peer which leaves one out shows. Imported in the peers' environments, too.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel

SEED = 0
LENGTH, FIRST_CHANGE = 15, 9  # tokens of a prompt, and the first that differs in its corrupted version
CIRCUIT_HEADS = 26
SMALL = {"n_layer": 12, "n_head": 12, "n_embd": 768}


@dataclass(frozen=True)
class Shape:
    """pairs: of a clean and a corrupted prompt. length: tokens of each. first: the first token that differs."""

    layers: int = SMALL["n_layer"]
    heads: int = SMALL["n_head"]
    pairs: int = 64
    length: int = LENGTH
    first: int = FIRST_CHANGE


@dataclass(frozen=True, eq=False)
class Task:
    """model: a checkpoint folder. One of `right` and `wrong` (pairs,) follows each prompt; circuit: (layer, head)."""

    model: Path
    device: str
    clean: Tensor  # (pairs, length)
    corrupted: Tensor  # (pairs, length)
    right: Tensor  # (pairs,)
    wrong: Tensor  # (pairs,)
    circuit: tuple[tuple[int, int], ...]
    layers: int
    heads: int

    def logit_diff(self, logits: Tensor) -> Tensor:
        """(pairs, …, vocabulary) -> (pairs,), at the last position."""
        last = logits[:, -1]
        rows = torch.arange(len(last), device=last.device)
        return last[rows, self.right.to(last.device)] - last[rows, self.wrong.to(last.device)]

    def first(self, pairs: int) -> Task:
        """The first few pairs, to warm up on."""
        cut = {name: getattr(self, name)[:pairs] for name in ("clean", "corrupted", "right", "wrong")}
        return replace(self, **cut)

    def others(self) -> list[tuple[int, int]]:
        """Every (layer, head) outside the circuit."""
        every = [(layer, head) for layer in range(self.layers) for head in range(self.heads)]
        return [head for head in every if head not in self.circuit]


def write(folder: Path, shape: Shape, device: str) -> Path:
    """The checkpoint and the prompts of one shape, in a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = _checkpoint(folder / "model", shape)
    generator = torch.Generator().manual_seed(SEED)
    size = GPT2Config().vocab_size
    clean = torch.randint(size, (shape.pairs, shape.length), generator=generator)
    corrupted = torch.randint(size, (shape.pairs, shape.length), generator=generator)
    corrupted[:, : shape.first] = clean[:, : shape.first]
    right = torch.randint(size, (shape.pairs,), generator=generator)
    tensors = {"clean": clean, "corrupted": corrupted, "right": right, "wrong": (right + 1) % size}
    save_file(tensors, folder / "prompts.safetensors")
    circuit = torch.randperm(shape.layers * shape.heads, generator=generator)[:CIRCUIT_HEADS].sort().values.tolist()
    heads = [divmod(number, shape.heads) for number in circuit]
    said = {"model": str(checkpoint), "device": device, "circuit": heads, "layers": shape.layers, "heads": shape.heads}
    (folder / "task.json").write_text(json.dumps(said), encoding="utf-8")
    return folder


def read(folder: Path) -> Task:
    said = json.loads((folder / "task.json").read_text(encoding="utf-8"))
    prompts = load_file(folder / "prompts.safetensors")
    moved = {name: tensor.to(said["device"]) for name, tensor in prompts.items()}
    circuit = tuple((layer, head) for layer, head in said["circuit"])
    return Task(
        Path(said["model"]), said["device"], **moved, circuit=circuit, layers=said["layers"], heads=said["heads"]
    )


def model_of(task: Task) -> GPT2LMHeadModel:
    """The checkpoint as Hugging Face loads it, for the peers that take it from there."""
    model = GPT2LMHeadModel.from_pretrained(task.model, use_safetensors=True, local_files_only=True)
    return model.eval().to(task.device)


def _checkpoint(folder: Path, shape: Shape) -> Path:
    if (folder / "model.safetensors").is_file():
        return folder
    torch.manual_seed(SEED)
    d_head = SMALL["n_embd"] // SMALL["n_head"]
    config = GPT2Config(n_layer=shape.layers, n_head=shape.heads, n_embd=shape.heads * d_head)
    model = GPT2LMHeadModel(config)
    generator = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1:
                noise = torch.randn(parameter.shape, generator=generator)
                parameter.copy_(1 + 0.1 * noise if name.endswith("weight") else 0.02 * noise)
    model.save_pretrained(folder)
    return folder
