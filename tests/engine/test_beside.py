"""A run beside a recorded one is the run itself, and computes nothing that both have in common."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from tests.engine.made_toys import SMALL, write_toy
from workers.engine.anatomy import Loaded
from workers.engine.beside import record_beside
from workers.engine.loading import load_folder
from workers.engine.record import Record, attached, record

TOLERANCE = 1e-5  # of the largest number of its kind
KINDS = ("resid", "z", "attn_out", "mlp_out", "k", "v")
SHORT = 5


def assert_same_run(one: Record, other: Record) -> None:
    assert torch.equal(one.tokens, other.tokens)
    for kind in KINDS:
        for found, truth in zip(getattr(one, kind), getattr(other, kind), strict=True):
            assert (found is None) == (truth is None)
            if truth is not None:
                assert found.shape == truth.shape
                assert (found - truth).abs().max() <= TOLERANCE * truth.abs().max()


def tokens_computed(model: Loaded, base: Record, tokens: Tensor) -> int:
    seen: list[int] = []

    def count(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen.append(inputs[0].shape[:-1].numel())

    with attached(model.output_projection(1).register_forward_pre_hook(count)):
        record_beside(base, tokens)
    (found,) = seen
    return found


def test_it_is_the_run_itself(model: Loaded, tokens: Tensor, other_tokens: Tensor) -> None:
    base = record(model, tokens)
    assert_same_run(record_beside(base, other_tokens), record(model, other_tokens))


def test_what_both_begin_with_is_the_same_to_the_bit_and_not_computed(
    random_model: Loaded, tokens: Tensor, other_tokens: Tensor
) -> None:
    base = record(random_model, tokens)
    beside = record_beside(base, other_tokens)
    for kind in ("resid", "z", "attn_out", "mlp_out"):
        for one, other in zip(getattr(beside, kind), getattr(base, kind), strict=True):
            assert torch.equal(one[:, :3], other[:, :3])
            assert not torch.equal(one, other)
    assert tokens_computed(random_model, base, other_tokens) == 6 * 7


def test_one_prompt_that_differs_earlier_decides_for_all(random_model: Loaded, tokens: Tensor) -> None:
    base, other = record(random_model, tokens), tokens.clone()
    other[0, 8], other[4, 2] = (other[0, 8] + 1) % 3, (other[4, 2] + 1) % 3
    assert tokens_computed(random_model, base, other) == 6 * 8
    assert_same_run(record_beside(base, other), record(random_model, other))


def test_with_nothing_in_common_it_is_run_whole(random_model: Loaded, tokens: Tensor) -> None:
    base = record(random_model, tokens)
    for other in ((tokens + 1) % 3, tokens[:, :7], tokens):
        assert tokens_computed(random_model, base, other) == other.numel()
        assert_same_run(record_beside(base, other), record(random_model, other))


def test_a_model_that_looks_ahead_is_run_whole(tmp_path: Path, tokens: Tensor, other_tokens: Tensor) -> None:
    ahead = load_folder(write_toy(tmp_path, {**SMALL, "attention_dir": "bidirectional"}))
    some, other = tokens[:, :SHORT], other_tokens[:, :SHORT]
    assert tokens_computed(ahead, record(ahead, some), other) == other.numel()


def test_prompts_whose_padding_hides_other_positions_are_run_whole(tmp_path: Path, tokens: Tensor) -> None:
    padding = load_folder(write_toy(tmp_path, {**SMALL, "pad_token_id": 2}))
    some = torch.tensor([[0, 1, 3, 4, 1], [1, 0, 4, 3, 0]])
    for token, computed in ((3, 2 * 1), (2, 2 * 5)):
        other = torch.cat([some[:, :4], torch.full((2, 1), token)], dim=1)
        base = record(padding, some)
        assert tokens_computed(padding, base, other) == computed
        assert_same_run(record_beside(base, other), record(padding, other))
