"""The power of waves that were written into an embedding by hand, and of a model that learned to add modulo 113."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.engine.made_bundles import PAIRS, arms_of, numbers_in
from workers.engine.anatomy import Loaded
from workers.engine.documents.document import Invalid
from workers.engine.prompts import Refused
from workers.engine.techniques.fourier_power import Spec, _by_transform, _by_waves, sentence

KEY = "fourier_power"


def share(loaded: Loaded, how: Any = "replay", **spec: Any) -> float:
    first, *others = numbers_in(arms_of(loaded, PAIRS, KEY, how, metric=KEY, **spec), ("edited", 0), KEY)
    assert others == [first] * len(others)
    return first


@pytest.mark.parametrize("power", [_by_transform, _by_waves])
@pytest.mark.parametrize("modulus", [7, 8])
def test_a_wave_has_its_power_in_its_own_frequency(power: Any, modulus: int) -> None:
    """3 cos(2 pi 2 n / p) + 4 sin(2 pi n / p) + 5: 16 parts in frequency 1, 9 in frequency 2, and the 5 is left out."""
    angle = torch.arange(modulus, dtype=torch.double)[:, None] * 2 * math.pi / modulus
    found = power(3 * (2 * angle).cos() + 4 * angle.sin() + 5)
    assert (found / found.sum()).tolist() == pytest.approx([16 / 25, 9 / 25, 0.0][: (modulus - 1) // 2], abs=1e-12)


def test_both_ways_to_compute_it_agree(random_model: Loaded) -> None:
    for matrix in ("embedding", "unembedding"):
        named = {"frequencies": [1, 3], "modulus": 11, "matrix": matrix}
        fast, slow = (share(random_model, how, **named) for how in ("replay", "oracle"))
        assert fast == pytest.approx(slow, abs=1e-9) and 0 < fast < 1


def test_all_frequencies_together_hold_everything(random_model: Loaded) -> None:
    assert share(random_model, frequencies=[1, 2, 3, 4, 5], modulus=11) == pytest.approx(1.0)


def test_a_model_with_fewer_tokens_is_refused(random_model: Loaded) -> None:
    with pytest.raises(Refused, match="41 tokens, fewer than the modulus 43"):
        share(random_model, frequencies=[1], modulus=43)


@pytest.mark.parametrize("frequencies", [[0], [4], [1, 1]])
def test_a_frequency_that_is_none_is_refused(frequencies: list[int]) -> None:
    with pytest.raises(Invalid, match="frequencies of 7 numbers are 1 to 3, each named once"):
        Spec.from_json({"frequencies": frequencies, "modulus": 7})


def test_the_sentence_names_the_frequencies_and_the_matrix() -> None:
    said = sentence(Spec.from_json({"frequencies": [2, 1], "modulus": 7}))
    assert said == "adding up the power of frequencies 1 and 2 in the embedding of the numbers 0 to 6"


@pytest.mark.checkpoints
def test_five_frequencies_hold_what_was_published_of_a_model_that_adds_modulo_113(checkpoints: Path) -> None:
    from workers.engine.loading import load_folder

    loaded = load_folder(checkpoints / "nanda_grok_modadd")
    numbers = loaded.architecture.embedding(loaded.model)[:113].double()
    power = _by_transform(numbers) / _by_transform(numbers).sum()
    assert sorted((power.topk(5).indices + 1).tolist()) == [6, 23, 37, 39, 41]
    assert float(power.topk(5).values.sum()) == pytest.approx(0.83, abs=0.005)
