"""What the replay leaves out since it cannot change a number, and that it still gives the numbers of plain hooks."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from workers.engine.anatomy import Loaded
from workers.engine.documents.components import component
from workers.engine.edit import Edit, read
from workers.engine.oracle import oracle
from workers.engine.record import Record, attached, record
from workers.engine.replay import Cone, cone_of, logits, portions, replay, replay_changes

TOLERANCE = 1e-5  # of the largest logit


def edits(clean: Record, *texts: str, at: Tensor | None = None) -> list[Edit]:
    return [Edit(component(text), at, read(clean, component(text), at)) for text in texts]


def heads(loaded: Loaded, *layers: int) -> list[str]:
    return [f"{layer}.{head}" for layer in layers for head in range(loaded.heads)]


def ends(tokens: Tensor) -> Tensor:
    return torch.full((len(tokens), 1), tokens.shape[1] - 1)


def tokens_computed(loaded: Loaded, layer: int, base: Record, edited: list[Edit], reads: Tensor) -> list[int]:
    """How many tokens of a layer's MLP one intervention took, call by call."""
    seen: list[int] = []

    def count(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen.append(inputs[0].shape[:-1].numel())

    mlp = loaded.mlp(layer)
    assert mlp is not None
    with attached(mlp.register_forward_pre_hook(count)):
        replay(base, [edited], reads)
    return seen


def assert_agrees(base: Record, interventions: list[list[Edit]], reads: Tensor) -> None:
    fast = replay(base, interventions, reads)
    truth = oracle(base.loaded, base.tokens, interventions, reads).logits
    assert fast.wrote.all()
    assert ((logits(base.loaded, fast.resid) - truth).abs().max() / truth.abs().max()).item() <= TOLERANCE


def runs(loaded: Loaded, tokens: Tensor, other: Tensor) -> tuple[Record, Record]:
    return record(loaded, tokens), record(loaded, other)


def test_where_all_heads_of_the_last_layers_are_written_over_only_the_reads_are_computed(
    random_model: Loaded, tokens: Tensor, other_tokens: Tensor
) -> None:
    clean, base = runs(random_model, tokens, other_tokens)
    edited = edits(clean, "0.1", *heads(random_model, 2, 3))
    assert cone_of(base, edited, ends(tokens)) == Cone(0, 3, 10, attends=False, given=frozenset({2, 3}))
    # layer 0 is computed at 7 positions of 6 prompts; layer 1, the last that attends, at the end, as all behind it
    assert [tokens_computed(random_model, layer, base, edited, ends(tokens)) for layer in range(4)] == [
        [42],
        [6],
        [6],
        [6],
    ]
    assert_agrees(base, [edited], ends(tokens))


def test_with_all_heads_written_over_nothing_but_the_reads_is_computed(
    random_model: Loaded, tokens: Tensor, other_tokens: Tensor
) -> None:
    clean, base = runs(random_model, tokens, other_tokens)
    edited = edits(clean, *heads(random_model, 0, 1, 2, 3), "mlp.1", "resid.2")
    assert tokens_computed(random_model, 0, base, edited, ends(tokens)) == [6]
    assert_agrees(base, [edited, edits(clean, "attn.0", "attn.1", "attn.2", "attn.3")], ends(tokens))


@pytest.mark.parametrize(
    "beside", [["2.0.q"], ["3.1.v"], ["1.0.pattern"], ["attn.1"], ["mlp.3.5"], ["resid.3"], ["resid.4"]], ids=" ".join
)
def test_other_edits_beside_layers_that_are_written_over_are_still_made(
    random_model: Loaded, tokens: Tensor, other_tokens: Tensor, beside: list[str]
) -> None:
    clean, base = runs(random_model, tokens, other_tokens)
    ragged = 4 + torch.arange(len(tokens)) % 4
    interventions = [
        edits(clean, *heads(random_model, 1, 3), *(text for text in beside if text != "attn.1"))
        if at is None
        else edits(clean, *heads(random_model, 2)) + edits(clean, *(text for text in beside), at=at)
        for at in (None, ragged)
    ]
    assert_agrees(base, interventions, ends(tokens))


def test_a_layer_is_not_stood_in_for_when_one_head_or_position_is_left(
    random_model: Loaded, tokens: Tensor, other_tokens: Tensor
) -> None:
    clean, base = runs(random_model, tokens, other_tokens)
    but_one = edits(clean, "0.0", *heads(random_model, 2)[:-1])
    at_five = edits(clean, "0.0") + edits(clean, *heads(random_model, 2), at=torch.full((len(tokens),), 5))
    for edited in (but_one, at_five):
        assert cone_of(base, edited, ends(tokens)).given == frozenset()
    assert_agrees(base, [but_one, at_five], ends(tokens))


def test_what_writes_only_what_is_there_is_answered_by_the_record_without_running(
    random_model: Loaded, tokens: Tensor, other_tokens: Tensor
) -> None:
    clean, base = runs(random_model, tokens, other_tokens)
    before, behind = torch.full((len(tokens),), 1), torch.full((len(tokens),), 4)
    interventions = [edits(clean, "resid.1", at=before), edits(clean, "resid.1", at=behind), []]
    calls: list[int] = []
    with attached(random_model.layer(1).register_forward_pre_hook(lambda *_: calls.append(1))):
        found = replay_changes(base, interventions, ends(tokens))
    assert len(calls) == 1
    assert found.wrote.all()
    assert torch.equal(found.resid[[0, 2]], base.resid[-1][:, -1:].repeat(2, 1, 1, 1))
    assert torch.equal(found.resid[1], replay(base, [interventions[1]], ends(tokens)).resid[0])


def test_few_interventions_that_begin_in_different_layers_ride_together_from_there(
    random_model: Loaded, tokens: Tensor, other_tokens: Tensor
) -> None:
    clean, base = runs(random_model, tokens, other_tokens)
    five = torch.full((len(tokens),), 5)
    interventions = [edits(clean, text, at=five) for text in ("mlp.2", "resid.0", "1.1", "attn.2", "resid.3", "1.2")]
    seen: dict[int, list[int]] = {}

    def count(layer: int):
        return lambda _, inputs: seen.setdefault(layer, []).append(inputs[0].shape[0])

    with attached(*(random_model.layer(i).register_forward_pre_hook(count(i)) for i in range(3))):
        replay(base, interventions, ends(tokens))
    assert seen == {0: [6], 1: [18], 2: [30]}  # 6 prompts of 1, of 3 and of 5 interventions
    assert_agrees(base, interventions, ends(tokens))


def test_edits_inside_an_attention_ride_alone(random_model: Loaded, tokens: Tensor, other_tokens: Tensor) -> None:
    clean, base = runs(random_model, tokens, other_tokens)
    three = torch.full((len(tokens),), 3)
    interventions = [
        edits(clean, text, at=three) for text in ("0.1.v", "1.2", "1.0.q", "2.1.pattern", "resid.2", "0.3")
    ]
    assert_agrees(base, interventions, ends(tokens))


def test_portions_are_of_one_size(random_model: Loaded, tokens: Tensor) -> None:
    base = record(random_model, tokens)
    for budget in range(20_000, 2_000_000, 20_000):
        found = [some for some, _ in portions(base, Cone(0, 0, 10, attends=False), 12, budget)]
        assert len({some.stop - some.start for some in found}) == 1
        assert found[-1].stop == 12
