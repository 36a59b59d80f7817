"""What the foreign checkpoints' own papers and repositories report of them, measured with this engine.

Numbers: PROVENANCE.md beside each checkpoint. Where the prompts behind a number are not kept, its size is checked.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from random import Random

import pytest
import torch
from torch import Tensor

from workers.engine.anatomy import Loaded
from workers.engine.documents.components import Component, component
from workers.engine.edit import Edit, read
from workers.engine.loading import load_folder
from workers.engine.record import Record, record
from workers.engine.replay import logits, replay

pytestmark = pytest.mark.checkpoints
P, PIZZA_P = 113, 59


def heads(loaded: Loaded, part: str = "") -> list[str]:
    return [f"{layer}.{head}{part}" for layer, head in product(range(loaded.layers), range(loaded.heads))]


def zeroed(run: Record, *names: str) -> list[Edit]:
    return [Edit(one, None, torch.zeros_like(read(run, one, None))) for one in map(component, names)]


def averaged(run: Record, *names: str) -> list[Edit]:
    values = {one: read(run, one, None) for one in map(component, names)}
    return [Edit(one, None, value.mean(0, keepdim=True).expand_as(value)) for one, value in values.items()]


def accuracy(loaded: Loaded, resid: Tensor, right: Tensor) -> float:
    """resid (batch, reads, d_model), right (batch, reads)."""
    return float((logits(loaded, resid).argmax(-1) == right).float().mean())


# ------------------------------------------------------------------------------------------- repeated random tokens

READS = torch.arange(31, 53)


@pytest.fixture(scope="module")
def three_copies(checkpoints: Path) -> Record:
    """BOS and 28 different tokens three times."""
    generator = torch.Generator().manual_seed(0)
    drawn = torch.stack([torch.randperm(127, generator=generator)[:28] + 1 for _ in range(512)])
    loaded = load_folder(checkpoints / "nanda_induction_2L_attn_only")
    return record(loaded, torch.cat([torch.zeros(512, 1, dtype=torch.long), drawn, drawn, drawn], dim=1))


def second_copy(run: Record, *ablated: str) -> float:
    reads = READS.expand(len(run.tokens), -1)
    (resid,) = replay(run, [zeroed(run, *ablated)], reads).resid
    return accuracy(run.loaded, resid, run.tokens.gather(1, reads + 1))


def test_the_second_copy_is_predicted(three_copies: Record) -> None:
    assert second_copy(three_copies) == pytest.approx(0.89, abs=0.005)


@pytest.mark.parametrize(
    ("ablated", "left"), [("0.2", 0.02), ("1.0", 0.892), ("1.1", 0.82), ("1.2", 0.80), ("1.3", 0.78)]
)
def test_zero_ablation_of_one_head_leaves_what_is_reported(three_copies: Record, ablated: str, left: float) -> None:
    assert second_copy(three_copies, ablated) == pytest.approx(left, abs=0.01)


def test_the_three_induction_heads_together_leave_chance(three_copies: Record) -> None:
    assert second_copy(three_copies, "1.1", "1.2", "1.3") < 0.02


def test_one_head_looks_back_by_one_and_three_behind_the_first_copy(three_copies: Record) -> None:
    later = torch.arange(1, 85)
    previous = three_copies.pattern(0)[:, :, later, later - 1].mean((0, 2)).tolist()
    induction = three_copies.pattern(1)[:, :, READS, READS - 27].mean((0, 2)).tolist()
    assert previous[2] == pytest.approx(0.29, abs=0.005)
    assert max(previous[0], previous[1], previous[3]) < 0.06
    assert all(0.475 < score < 0.495 for score in induction[1:])
    assert induction[0] < 0.06


# --------------------------------------------------------------------------------------------------------- addition


def sums(p: int) -> tuple[Tensor, Tensor]:
    """Every pair, (p², 2), and its sum modulo p, (p²,)."""
    pairs = torch.cartesian_prod(torch.arange(p), torch.arange(p))
    return pairs, pairs.sum(1) % p


@pytest.fixture(scope="module")
def addition(checkpoints: Path) -> Record:
    pairs, _ = sums(P)
    return record(load_folder(checkpoints / "nanda_grok_modadd"), torch.cat([pairs, torch.full((P * P, 1), P)], dim=1))


def test_addition_modulo_113_has_the_losses_that_its_training_recorded(addition: Record) -> None:
    """The repository's split: all pairs shuffled with seed 1, the first 30 % trained on. Losses in float64."""
    _, right = sums(P)
    found = logits(addition.loaded, addition.resid[-1][:, -1])
    loss = -found.double().log_softmax(-1)[torch.arange(P * P), right]
    pairs = list(product(range(P), repeat=2))
    Random(1).shuffle(pairs)
    order = torch.tensor([a * P + b for a, b in pairs])
    trained, held_out = order[: int(0.3 * P * P)], order[int(0.3 * P * P) :]
    assert bool((found.argmax(-1) == right).all())
    assert float(loss[trained].mean()) == pytest.approx(9.2025e-9, rel=2e-3)
    assert float(loss[held_out].mean()) == pytest.approx(4.9915e-7, rel=2e-3)


def test_five_frequencies_hold_most_of_the_embedding(addition: Record) -> None:
    """Power: the squared Fourier coefficients over the numbers, both signs of a frequency, the constant left out."""
    embedding = addition.loaded.architecture.embedding(addition.loaded.model)[:P].double()
    power = torch.fft.rfft(embedding, dim=0).abs().pow(2).sum(1)[1:]  # (frequency,)
    top = power.topk(5)
    assert (top.indices + 1).tolist() == [23, 6, 37, 41, 39]
    assert float(top.values.sum() / power.sum()) == pytest.approx(0.83, abs=0.005)


@pytest.fixture(scope="module")
def clock(checkpoints: Path) -> Record:
    return record(load_folder(checkpoints / "zhong_clock_modelB"), sums(PIZZA_P)[0])


@pytest.fixture(scope="module")
def pizza(checkpoints: Path) -> Record:
    return record(load_folder(checkpoints / "zhong_pizza_modelA"), sums(PIZZA_P)[0])


def distance_irrelevance(run: Record) -> float:
    """Of the right answer's logit: its spread among pairs of one difference, averaged, as a share of its whole spread.

    Source: Zhong et al. 2023 (arXiv 2306.17844), section 4.
    """
    pairs, right = sums(PIZZA_P)
    found = logits(run.loaded, run.resid[-1][:, -1])[torch.arange(len(right)), right]
    difference = (pairs[:, 0] - pairs[:, 1]) % PIZZA_P
    within = torch.stack([found[difference == one].std() for one in range(PIZZA_P)])
    return float(within.mean() / found.std())


def sums_right(run: Record, edits: list[Edit]) -> float:
    _, right = sums(PIZZA_P)
    (resid,) = replay(run, [edits], torch.ones(len(right), 1, dtype=torch.long)).resid
    return accuracy(run.loaded, resid, right[:, None])


def test_the_pizza_depends_on_the_distance_and_the_clock_does_not(clock: Record, pizza: Record) -> None:
    assert distance_irrelevance(clock) == pytest.approx(0.855, abs=0.002)
    assert distance_irrelevance(pizza) == pytest.approx(0.173, abs=0.002)


def test_averaged_patterns_cost_the_clock_nearly_half_and_the_pizza_nothing(clock: Record, pizza: Record) -> None:
    patterns = heads(clock.loaded, ".pattern")
    assert sums_right(clock, []) == sums_right(pizza, []) == 1.0
    assert sums_right(clock, averaged(clock, *patterns)) == pytest.approx(0.549, abs=0.002)
    assert sums_right(pizza, averaged(pizza, *patterns)) == 1.0


def test_every_weight_of_the_pizza_is_one(pizza: Record) -> None:
    assert bool((pizza.pattern(0) == 1).all())


# --------------------------------------------------------------------------------------------------------- brackets


def balanced(text: str) -> bool:
    height = 0
    for bracket in text:
        height += 1 if bracket == "(" else -1
        if height < 0:
            return False
    return height == 0


def balanced_walk(rng: Random, length: int) -> str:
    """Up or down at random, but never below the ground, and down where there is just time to come back to it."""
    text, height = "", 0
    for left in range(length, 0, -1):
        up = height == 0 or (height < left and rng.random() < 0.5)
        text += "(" if up else ")"
        height += 1 if up else -1
    return text


def drawn_brackets(number: int) -> list[str]:
    """Strings of 2 to 40: two balanced ones, and the second of them shuffled, and so on."""
    rng, found = Random(1), []
    for _ in range(number // 3):
        one, other = (balanced_walk(rng, 2 * rng.randint(1, 20)) for _ in range(2))
        found += [one, other, "".join(rng.sample(other, len(other)))]
    return found


@pytest.fixture(scope="module")
def brackets(checkpoints: Path) -> tuple[Record, Tensor]:
    texts = drawn_brackets(2000)
    rows = [[0, *(3 if one == "(" else 4 for one in text), 2, *[1] * (40 - len(text))] for text in texts]
    return record(load_folder(checkpoints / "arena_brackets"), torch.tensor(rows)), torch.tensor(
        [[int(balanced(text))] for text in texts]
    )


def test_brackets_of_any_length_are_classified_through_their_padding(brackets: tuple[Record, Tensor]) -> None:
    run, right = brackets
    assert 0.65 < float(right.float().mean()) < 0.8
    assert accuracy(run.loaded, run.resid[-1][:, :1], right) >= 0.995


def test_without_the_first_head_every_balanced_string_is_called_unbalanced(brackets: tuple[Record, Tensor]) -> None:
    run, right = brackets
    (resid,) = replay(run, [zeroed(run, "0.0")], torch.zeros(len(right), 1, dtype=torch.long)).resid
    ones = right[:, 0] == 1
    assert accuracy(run.loaded, resid[ones], right[ones]) < 0.05
    assert accuracy(run.loaded, resid, right) == pytest.approx(float((right == 0).float().mean()), abs=0.05)


# ---------------------------------------------------------------------------------------------------------- stories


@pytest.mark.parametrize(("name", "previous"), [("stories260K", {"3.6": 0.75, "1.3": 0.63}), ("tinystories_656k", {})])
def test_the_story_models_have_no_induction_head(name: str, previous: dict[str, float], checkpoints: Path) -> None:
    loaded = load_folder(checkpoints / name)
    generator = torch.Generator().manual_seed(0)
    drawn = torch.stack([torch.randperm(250, generator=generator)[:25] + 260 for _ in range(64)])
    run = record(loaded, torch.cat([torch.ones(64, 1, dtype=torch.long), drawn, drawn], dim=1))
    later, second = torch.arange(1, 51), torch.arange(26, 51)
    for layer in range(loaded.layers):
        pattern = run.pattern(layer)
        assert float(pattern[:, :, second, second - 24].mean((0, 2)).max()) < 0.1
        for head in range(loaded.heads):
            if reported := previous.get(Component("head", layer, head).name):
                seen = float(pattern[:, head, later, later - 1].mean())
                assert seen == pytest.approx(reported, abs=0.1)


def test_the_smallest_story_model_writes_the_story_it_is_known_for(checkpoints: Path) -> None:
    """Greedy text from BOS, as llama2.c's documentation of the model shows it."""
    loaded = load_folder(checkpoints / "stories260K")
    tokens = torch.tensor([[1]])
    for _ in range(40):
        final = record(loaded, tokens).resid[-1][:, -1:]
        tokens = torch.cat([tokens, logits(loaded, final).argmax(-1)], dim=1)
    assert loaded.tokenizer is not None
    text = loaded.tokenizer.decode(tokens[0].tolist())
    assert text.strip().startswith("Once upon a time, there was a little girl named Lily. She loved to play outside")
