"""A toy transformer with a planted circuit: two layers of twelve heads, no training, every effect known.

The prompt is X Y Z ASK, each of X, Y and Z one of forty tokens of its own; what is read at ASK is the answer YES
rather than NO. Every token has a loudness for each head that listens to it. Heads attend from ASK to one position and
add what they hear to the logit of YES and take it off that of NO, half each:

    carrier -> reader   two steps: the loudness of X goes to ASK as a message, which the reader turns into the answer
    either, or          redundant: each writes a signal, and one signal is enough for `chooser` to attend to X
    passenger           moves X's place to where nobody reads it
    negative            works against the answer
    loud, ...           ranked: mean effects of 1.1, 1, 1, 0.9 and 0.2
    faint heads         the rest, with effects of a few hundredths

Zero ablation of a head that adds takes off the loudness it heard, so that its mean effect is minus its mean loudness.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from safetensors.torch import save_file
from scipy.special import ndtri
from torch import Tensor

Loudness = Literal["normal", "skewed"]
LOUDNESS: tuple[Loudness, ...] = ("normal", "skewed")
LAYERS, HEADS, D_HEAD, WORDS = 2, 12, 2, 40
X, Y, Z, ASK = range(4)  # positions
ASK_TOKEN, YES, NO = 3 * WORDS, 3 * WORDS + 1, 3 * WORDS + 2
VOCABULARY = 3 * WORDS + 3
SHARP = 40.0
"""Score by which a head prefers its position: what it gives the others is lost in rounding."""
ENOUGH = 10.0
"""Score of the chooser's preference with one signal, and of its aversion without any."""


@dataclass(frozen=True)
class Adder:
    """A head that listens at `source` and adds what it hears, of this mean and spread, to the answer."""

    layer: int
    head: int
    source: int
    mean: float
    spread: float


ADDERS = {
    "negative": Adder(1, 2, Y, -0.5, 0.5),
    "loud": Adder(1, 3, Z, 1.1, 0.7),
    "one": Adder(1, 4, X, 1.0, 0.7),
    "another": Adder(1, 5, Y, 1.0, 0.7),
    "less": Adder(1, 6, Z, 0.9, 0.7),
    "low": Adder(0, 4, X, 0.2, 0.2),
    **{f"faint{head}": Adder(0, head, head % 3, 0.03 + 0.005 * head, 0.05) for head in range(5, HEADS)},
    **{f"dim{head}": Adder(1, head, head % 3, 0.03 + 0.005 * head, 0.05) for head in range(7, HEADS)},
}
WIRED = {"carrier": (0, 0), "either": (0, 1), "or": (0, 2), "passenger": (0, 3), "reader": (1, 0), "chooser": (1, 1)}
HEARD = {"carrier": Adder(0, 0, X, 1.0, 1.0), "chooser": Adder(1, 1, X, 1.0, 1.0), **ADDERS}
FEATURES = {name: number for number, name in enumerate(HEARD)}  # residual dimensions: a token's loudness for a head
PLACE = len(FEATURES)  # four dimensions, one for each position
MESSAGE, SIGNAL, JUNK, ANSWER = range(PLACE + 4, PLACE + 8)
D_MODEL = PLACE + 8
CONFIG = {
    "model_type": "toy",
    "n_layers": LAYERS,
    "n_heads": HEADS,
    "d_model": D_MODEL,
    "d_head": D_HEAD,
    "d_vocab": VOCABULARY,
    "n_ctx": 4,
    "attn_only": True,
    "normalization_type": None,
}


def component(name: str) -> str:
    """Where a named head stands, as components are written."""
    layer, head = WIRED[name] if name in WIRED else (ADDERS[name].layer, ADDERS[name].head)
    return f"{layer}.{head}"


def write(folder: Path, weights: dict[str, Tensor]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG, indent=2))
    save_file(weights, folder / "model.safetensors")
    return folder


def planted(loudness: Loudness) -> dict[str, Tensor]:
    """The weights described above, by TransformerLens's names."""
    weights = _empty()
    for number, (name, heard) in enumerate(HEARD.items()):
        tokens = slice(heard.source * WORDS, (heard.source + 1) * WORDS)
        weights["embed.W_E"][tokens, FEATURES[name]] = _spread_out(loudness, heard.mean, heard.spread, number)
    for place in range(4):
        weights["pos_embed.W_pos"][place, PLACE + place] = 1.0
    for name, adder in ADDERS.items():
        _attend(weights, adder.layer, adder.head, adder.source)
        _move(weights, adder.layer, adder.head, FEATURES[name], ANSWER)
    _wire(weights)
    weights["unembed.W_U"][ANSWER, YES], weights["unembed.W_U"][ANSWER, NO] = 0.5, -0.5
    weights["unembed.b_U"][:ASK_TOKEN] = -50.0  # neither a word nor ASK is ever the answer
    weights["unembed.b_U"][ASK_TOKEN] = -50.0
    return weights


def without_behavior(loudness: Loudness) -> dict[str, Tensor]:
    """The same heads, none of which reaches the answer."""
    weights = planted(loudness)
    for layer in range(LAYERS):
        weights[f"blocks.{layer}.attn.W_O"][:, :, ANSWER] = 0.0
    return weights


def scrambled(loudness: Loudness) -> dict[str, Tensor]:
    """The same heads under other numbers: each layer's turned by eight."""
    turned = [(head + 8) % HEADS for head in range(HEADS)]
    return {name: value[turned] if ".attn." in name else value for name, value in planted(loudness).items()}


def _empty() -> dict[str, Tensor]:
    weights = {"embed.W_E": torch.zeros(VOCABULARY, D_MODEL), "pos_embed.W_pos": torch.zeros(4, D_MODEL)}
    for layer in range(LAYERS):
        weights |= {f"blocks.{layer}.attn.W_{part}": torch.zeros(HEADS, D_MODEL, D_HEAD) for part in "QKV"}
        weights[f"blocks.{layer}.attn.W_O"] = torch.zeros(HEADS, D_HEAD, D_MODEL)
    return weights | {"unembed.W_U": torch.zeros(D_MODEL, VOCABULARY), "unembed.b_U": torch.zeros(VOCABULARY)}


def _spread_out(loudness: Loudness, mean: float, spread: float, number: int) -> Tensor:
    """(WORDS,): quantiles of the distribution, made to have exactly this mean and spread, in an order of its own."""
    normal = ndtri((np.arange(WORDS) + 0.5) / WORDS)
    raw = normal if loudness == "normal" else np.exp(normal)
    standard = (raw - raw.mean()) / raw.std()
    order = np.random.default_rng(number).permutation(WORDS)
    return torch.tensor(mean + spread * standard[order], dtype=torch.float32)


def _attend(weights: dict[str, Tensor], layer: int, head: int, to: int) -> None:
    """From ASK, to one position."""
    weights[f"blocks.{layer}.attn.W_Q"][head, PLACE + ASK, 0] = SHARP * D_HEAD**0.5
    weights[f"blocks.{layer}.attn.W_K"][head, PLACE + to, 0] = 1.0


def _move(weights: dict[str, Tensor], layer: int, head: int, source: int, target: int) -> None:
    """From one dimension of what is attended to, to another one here."""
    weights[f"blocks.{layer}.attn.W_V"][head, source, 0] = 1.0
    weights[f"blocks.{layer}.attn.W_O"][head, 0, target] = 1.0


def _wire(weights: dict[str, Tensor]) -> None:
    for name, source, target, to in (
        ("carrier", FEATURES["carrier"], MESSAGE, X),
        ("either", PLACE + X, SIGNAL, X),
        ("or", PLACE + X, SIGNAL, X),
        ("passenger", PLACE + X, JUNK, X),
        ("reader", MESSAGE, ANSWER, ASK),
    ):
        layer, head = WIRED[name]
        _attend(weights, layer, head, to)
        _move(weights, layer, head, source, target)
    layer, head = WIRED["chooser"]
    # its score for X: ENOUGH x (2 signals - 1)
    weights[f"blocks.{layer}.attn.W_Q"][head, SIGNAL, 0] = 2 * ENOUGH * D_HEAD**0.5
    weights[f"blocks.{layer}.attn.W_Q"][head, PLACE + ASK, 0] = -ENOUGH * D_HEAD**0.5
    weights[f"blocks.{layer}.attn.W_K"][head, PLACE + X, 0] = 1.0
    _move(weights, layer, head, FEATURES["chooser"], ANSWER)
