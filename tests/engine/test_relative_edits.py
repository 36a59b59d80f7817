"""Edits that keep what they find: a value is added to it, or a direction projected out of it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.engine.test_replay import assert_agrees, last_two, named
from workers.engine.anatomy import Loaded
from workers.engine.documents.components import component
from workers.engine.edit import Across, CannotEdit, Edit, read
from workers.engine.record import Record, record
from workers.engine.replay import Cone, cone_of, replay

SUMMED = ["1.2", "{last}.0", "attn.0", "attn.{last}", "mlp.1", "mlp.{last}", "mlp.1.7", "embed", "resid.2"] + [
    "resid.{last}",
    "resid.{end}",
]


def unit(width: int, seed: int = 3) -> Tensor:
    drawn = torch.randn(width, generator=torch.Generator().manual_seed(seed))
    return drawn / drawn.norm()


def relative(base: Record, text: str, at: Tensor | None, keeps: str) -> Edit:
    """Something added, or a direction projected out and something added."""
    place = component(named(base.loaded, text))
    old = read(base, place, at)
    value = unit(old.shape[-1], 4).to(old).expand_as(old)
    direction = unit(old.shape[-1]).to(old)
    return Edit(place, at, value, "all" if keeps == "all" else Across(direction))


@pytest.mark.parametrize("keeps", ["all", "across"])
@pytest.mark.parametrize("text", SUMMED)
def test_what_keeps_something_agrees_with_plain_hooks(model: Loaded, text: str, keeps: str, tokens: Tensor) -> None:
    base, ragged = record(model, tokens), 3 + torch.arange(len(tokens)) % 5
    one = torch.full((len(tokens),), 4)
    moved = assert_agrees(base, [[relative(base, text, at, keeps)] for at in (None, one, ragged)], last_two(tokens))
    assert moved[0] > 1e-4


def test_every_layer_is_projected_as_earlier_projections_have_left_it(
    model: Loaded, tokens: Tensor, other_tokens: Tensor
) -> None:
    """Beside interventions of other kinds in one batch, and an absolute edit of the same layer."""
    base, clean = record(model, tokens), record(model, other_tokens)
    places = [f"resid.{layer}" for layer in range(1, model.layers + 1)]
    everywhere = [relative(base, text, None, "across") for text in places]
    added = [relative(base, text, torch.full((6,), 4), "all") for text in places]
    absolute = Edit(component("0.1"), None, read(clean, component("0.1"), None))
    interventions = [everywhere, added, [absolute, *everywhere], [relative(base, "resid.1", None, "all")]]
    moved = assert_agrees(base, interventions, last_two(tokens))
    assert (moved > 1e-4).all()


@pytest.mark.parametrize("budget", [1, 40_000])
def test_the_budget_changes_nothing(random_model: Loaded, budget: int, tokens: Tensor) -> None:
    base = record(random_model, tokens)
    chain = [[relative(base, text, None, keeps) for text in ("resid.1", "mlp.2")] for keeps in ("all", "across")]
    assert_agrees(base, chain, last_two(tokens), budget)


def test_adding_the_difference_of_two_runs_turns_the_one_into_the_other(
    random_model: Loaded, tokens: Tensor, other_tokens: Tensor
) -> None:
    base, other = record(random_model, tokens), record(random_model, other_tokens)
    reads = torch.full((len(tokens), 1), 9)
    for place in map(component, ("resid.2", "embed")):
        difference = read(other, place, None) - read(base, place, None)
        again = replay(base, [[Edit(place, None, difference, "all")]], reads)
        assert torch.allclose(again.resid[0], other.resid[-1][:, 9:10], atol=1e-5)


def test_what_is_projected_out_of_all_that_is_written_is_nowhere_in_the_residual_stream(
    random_model: Loaded, tokens: Tensor
) -> None:
    base, direction = record(random_model, tokens), unit(random_model.d_model)
    writes = ["embed", *(f"{kind}.{layer}" for kind in ("attn", "mlp") for layer in range(random_model.layers))]
    none = torch.zeros(*tokens.shape, random_model.d_model)
    edits = [Edit(component(text), None, none, Across(direction)) for text in writes]
    final = replay(base, [edits], last_two(tokens)).resid[0]
    assert (base.resid[-1].cpu() @ direction).abs().max() > 0.1
    assert (final.cpu() @ direction).abs().max() < 1e-5


def test_what_is_added_nowhere_starts_no_cone_before_where_it_is_added(random_model: Loaded, tokens: Tensor) -> None:
    base, reads = record(random_model, tokens), torch.full((6, 1), 7)
    value = torch.zeros(6, 10, random_model.d_model)
    value[:, 5] = 1.0
    added = Edit(component("resid.2"), None, value, "all")
    assert cone_of(base, [added], reads) == Cone(2, 5, 8, attends=True)


@pytest.mark.parametrize("text", ["1.0.q", "1.1.k", "1.2.v", "1.2.pattern"])
def test_what_is_not_summed_up_can_only_be_replaced(random_model: Loaded, text: str, tokens: Tensor) -> None:
    base, place = record(random_model, tokens), component(text)
    with pytest.raises(CannotEdit, match="can only be replaced"):
        replay(base, [[Edit(place, None, read(base, place, None), "all")]], last_two(tokens))


@pytest.mark.parametrize("direction", [torch.ones(32), unit(31)])
def test_a_direction_of_another_length_or_width_is_refused(
    random_model: Loaded, direction: Tensor, tokens: Tensor
) -> None:
    base = record(random_model, tokens)
    nothing = torch.zeros(6, 10, random_model.d_model)
    with pytest.raises(CannotEdit, match=r"must be \(32,\) and of length 1"):
        replay(base, [[Edit(component("resid.1"), None, nothing, Across(direction))]], last_two(tokens))
