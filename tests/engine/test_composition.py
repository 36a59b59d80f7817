"""Composition of heads that share two dimensions, all, or none."""

from __future__ import annotations

from math import sqrt
from typing import Any

import pytest
import torch

from tests.engine.hand_made_heads import ORDINALS, heads
from tests.engine.made_bundles import PAIRS, arms_of, numbers_in
from workers.engine.anatomy import Loaded
from workers.engine.composing import random_composition
from workers.engine.documents.document import Invalid
from workers.engine.loading import load_folder
from workers.engine.techniques.composition import Spec, sentence

__all__ = ["heads"]
KEY = "composition"


def score(loaded: Loaded, prompts: Any, how: Any = "replay", **spec: Any) -> float:
    run = arms_of(loaded, prompts, KEY, how, metric=KEY, **spec)
    first, *others = numbers_in(run, ("edited", 0), KEY)
    assert others == [first] * len(others)
    return first


@pytest.mark.parametrize(
    ("receiver", "expected"),
    [
        ("1.2.q", 1 / sqrt(2)),  # reads the two dimensions that 0.0 writes: |P P| / (|P| |P|) = sqrt(2) / 2
        ("1.3.q", 0.0),  # reads two others
        ("1.3.k", 1 / sqrt(2)),  # while its keys read the two
        ("1.0.k", 1 / sqrt(8)),  # reads all eight alike: sqrt(2) / (sqrt(2) sqrt(8))
        ("1.2.k", 1 / sqrt(2)),  # its queries read what its keys offer
        ("1.2.v", 1 / sqrt(8)),  # moves all eight
    ],
)
def test_the_score_is_the_share_of_directions_read(heads: Loaded, receiver: str, expected: float) -> None:
    found = score(heads, ORDINALS, components=["0.0"], receivers=[receiver], baseline="none")
    assert found == pytest.approx(expected, abs=1e-5)


def test_random_matrices_of_the_shape_are_taken_off(heads: Loaded) -> None:
    """Of 8 × 8 products of random matrices the score is about 1 / sqrt(8), or 0.35."""
    random = random_composition(heads, "q")
    assert 0.3 < random < 0.55
    found = score(heads, ORDINALS, components=["0.0"], receivers=["1.3.q"])
    assert found == pytest.approx(-random, abs=1e-9)


def test_several_receivers_are_averaged(heads: Loaded) -> None:
    found = score(heads, ORDINALS, components=["0.0"], receivers=["1.2.q", "1.3.q"], baseline="none")
    assert found == pytest.approx(1 / sqrt(8), abs=1e-5)


@pytest.mark.parametrize("part", ["q", "k", "v"])
def test_the_whole_matrices_say_the_same(random_model: Loaded, part: str) -> None:
    named = {"components": ["1.2"], "receivers": [f"3.1.{part}"]}
    fast, slow = (score(random_model, PAIRS, how, **named) for how in ("replay", "oracle"))
    assert fast == pytest.approx(slow, rel=1e-3)
    assert torch.isfinite(torch.tensor(fast))


def test_gains_belong_to_what_a_head_reads_with_and_keys_to_their_group(random_checkpoints) -> None:
    """Worked out from the checkpoint's own tensors: query head 1 of four uses the first of two key heads."""
    loaded = load_folder(random_checkpoints["llama"])
    weights = {name.removeprefix("model.layers."): tensor for name, tensor in loaded.model.named_parameters()}

    def rows(layer: int, part: str, block: int) -> torch.Tensor:
        gain = weights[f"{layer}.input_layernorm.weight"]
        return gain[:, None] * weights[f"{layer}.self_attn.{part}_proj.weight"][12 * block : 12 * block + 12].T

    with torch.no_grad():
        moved = rows(1, "v", 1) @ weights["1.self_attn.o_proj.weight"][:, 24:36].T
        keys = rows(3, "k", 0) @ rows(3, "q", 1).T
        norm = torch.linalg.matrix_norm
        by_hand = float(norm(moved @ keys) / (norm(moved) * norm(keys)))
    found = score(loaded, PAIRS, components=["1.2"], receivers=["3.1.k"], baseline="none")
    assert found == pytest.approx(by_hand, rel=1e-4)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"receivers": ["1.2"]}, "a receiver is a head's q, k or v"),
        ({"receivers": ["#induction"]}, "write the receivers out"),
        ({"receivers": ["0.3.k"]}, "does not come after every sender"),
        ({"components": ["0.2@END"]}, "whole heads"),
        ({"metric": "logit"}, "'composition'"),
    ],
)
def test_what_does_not_compose_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(Invalid, match=said):
        Spec.from_json({"components": ["0.1"], "receivers": ["1.2.k"], **fields})


def test_the_sentence_names_both_ends() -> None:
    said = sentence(Spec.from_json({"components": ["0.3"], "receivers": ["1.2.k", "1.5.k"], "baseline": "none"}))
    assert said == "comparing what 0.3 writes with what 1.2.k and 1.5.k reads"
