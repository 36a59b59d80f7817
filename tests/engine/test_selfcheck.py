"""A model that the engine would misread is refused on its own weights. Each kind of misreading is seen to fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from workers.engine.anatomy import Loaded
from workers.engine.loading import CannotLoad, load_folder, refuse_unproved
from workers.engine.selfcheck import TOLERANCE, difference, selfcheck


def misread(loaded: Loaded, answers: dict[str, Any]) -> Loaded:
    """The same weights, read by a family file with other answers."""
    return replace(loaded, architecture=SimpleNamespace(**{**vars(loaded.architecture), **answers}))


def transposed_W_O(loaded: Loaded) -> Callable[..., torch.Tensor]:  # noqa: N802 # the field's name
    def output_weights(attention: Any, heads: int) -> torch.Tensor:
        weight = loaded.architecture.output_projection(attention).weight
        square = weight if loaded.family == "llama" else weight.T
        return square.reshape(heads, -1, loaded.d_model)

    return output_weights


def test_every_model_here_passes_far_below_the_tolerance(model: Loaded) -> None:
    assert max(found.relative for found in selfcheck(model)) < TOLERANCE / 5


def test_W_O_the_wrong_way_round_is_refused(random_model: Loaded) -> None:  # noqa: N802 # the field's name
    wrong = misread(random_model, {"output_weights": transposed_W_O(random_model)})
    with pytest.raises(CannotLoad, match="layer 0: sum of heads against attention output"):
        refuse_unproved(wrong)


def test_a_forgotten_output_bias_is_refused(random_model: Loaded) -> None:
    with pytest.raises(CannotLoad, match="sum of heads"):
        refuse_unproved(misread(random_model, {"output_bias": lambda attention: None}))


def test_unstated_scaling_of_the_logits_is_refused(random_model: Loaded) -> None:
    with pytest.raises(CannotLoad, match="logits of the final residual"):
        refuse_unproved(misread(random_model, {"finish_logits": lambda model, logits: 1.001 * logits}))


def test_a_model_in_training_mode_is_refused(random_checkpoints: dict[str, Path]) -> None:
    """It drops values at random: no two runs of one prompt agree, so nothing can be replayed."""
    loaded = load_folder(random_checkpoints["gpt2"])
    loaded.model.train()
    with pytest.raises(CannotLoad, match="layer 0 called again from position 0"):
        refuse_unproved(loaded)


def test_weights_that_are_not_numbers_are_refused(random_model: Loaded) -> None:
    assert not difference("nothing", torch.tensor([float("nan")]), torch.tensor([1.0])).holds
    assert not difference("nothing", torch.tensor([1.0]), torch.tensor([1.0, 2.0])).holds
    assert difference("zeros", torch.zeros(2), torch.zeros(2)).relative == 0.0
