"""Half precision where it was asked for: what its numbers are off by is measured and kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.engine.made_bundles import PAIRS, a_measurement
from workers.engine.anatomy import Loaded
from workers.engine.loading import load_folder
from workers.engine.measuring import job, measure
from workers.engine.numbers import Numbers


def run(folder: Path, dtype: str) -> Numbers:
    loaded = load_folder(folder, dtype=dtype)
    measurement = a_measurement(loaded, PAIRS, "ablation", components=["1.2"], ablation="zero")
    asked = measurement.model_copy(update={"dtype": dtype})
    return measure(job(asked, 0, loaded), None, (), lambda *_: None)


def largest_difference(one: Numbers, other: Numbers) -> float:
    arms = [(numbers.clean["logit_diff"], numbers.edited[0].arm["logit_diff"]) for numbers in (one, other)]
    return float(np.abs(np.subtract(*arms)).max())


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_the_difference_from_single_precision_is_the_largest_of_any_prompt_and_arm(
    random_checkpoints: dict[str, Path], dtype: str
) -> None:
    """Three prompts are fewer than the sample, so that all of them are in it."""
    half, single = run(random_checkpoints["llama"], dtype), run(random_checkpoints["llama"], "float32")
    assert (half.environment.dtype, single.environment.dtype) == (dtype, "float32")
    assert single.soundness.precision_difference is None
    assert half.soundness.precision_difference == pytest.approx(largest_difference(half, single), rel=1e-4)
    assert half.soundness.precision_difference > 1e-5


def test_a_null_edit_in_half_precision_stays_below_its_noise_floor(random_checkpoints: dict[str, Path]) -> None:
    sound = run(random_checkpoints["gpt2"], "bfloat16").soundness
    assert sound.wrote and sound.null_difference is not None and sound.oracle_difference is not None
    assert max(sound.null_difference, sound.oracle_difference) <= sound.noise_floor


def test_a_model_document_asks_for_half_precision_and_the_estimate_counts_both_copies(random_model: Loaded) -> None:
    from workers.engine.cost import weights_held, weights_of

    size = a_measurement(random_model, PAIRS, "behavior", metric="logit_diff").model.dimensions
    assert weights_held(size, "float32") == weights_of(size, "float32")
    assert weights_held(size, "bfloat16") == weights_of(size, "bfloat16") + weights_of(size, "float32")
