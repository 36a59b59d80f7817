"""The replay computes less than the whole run and gives the same numbers."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from workers.engine.anatomy import Loaded
from workers.engine.documents.components import component
from workers.engine.edit import CannotEdit, Edit, read
from workers.engine.oracle import oracle
from workers.engine.record import Record, attached, record
from workers.engine.replay import Cone, cone_of, logits, portions, replay

TOLERANCE = 1e-5  # of the largest logit
EVERY_KIND = (
    ["0.1", "1.2", "{last}.0", "0.0.q", "1.1.k", "1.0.v", "{last}.2.q", "{last}.1.k", "{last}.2.v", "1.2.pattern"]
    + ["{last}.0.pattern", "attn.0", "attn.{last}", "mlp.0", "mlp.{last}", "mlp.1.7", "mlp.{last}.3"]
    + ["embed", "resid.0", "resid.1", "resid.{last}", "resid.{end}"]
)
GROUPS = (
    ["0.0", "0.2", "{last}.1"],
    ["0.1", "mlp.0", "1.0", "attn.1", "mlp.{last}"],
    ["0.0.q", "0.0.k", "0.1.k", "0.2.v", "1.2"],
    ["0.0.k", "0.1.v", "0.2.q", "{last}.0.v", "{last}.1.v"],
    ["0.1.pattern", "0.2.k", "0.0", "1.1"],
    ["resid.1", "mlp.1.3", "mlp.1.4", "{last}.2"],
)


def named(loaded: Loaded, text: str) -> str:
    return text.format(last=loaded.layers - 1, end=loaded.layers)


def edits(clean: Record, texts: list[str], at: Tensor | None) -> list[Edit]:
    """Each component takes its value in the clean run."""
    parsed = [component(named(clean.loaded, text)) for text in texts]
    return [Edit(one, at, read(clean, one, at)) for one in parsed]


def runs(model: Loaded, tokens: Tensor, other_tokens: Tensor) -> tuple[Record, Record]:
    return record(model, tokens), record(model, other_tokens)


def last_two(tokens: Tensor) -> Tensor:
    """(batch, 2): the last position and, for each prompt, another one."""
    ragged = 4 + torch.arange(len(tokens)) % 4
    return torch.stack([ragged, torch.full_like(ragged, tokens.shape[1] - 1)], dim=1)


def assert_agrees(base: Record, interventions: list[list[Edit]], reads: Tensor, budget: int | None = None) -> Tensor:
    """Replay and oracle give the same logits; returns by how much each intervention moved them."""
    loaded = base.loaded
    fast = replay(base, interventions, reads, budget)
    truth = oracle(loaded, base.tokens, interventions, reads)
    assert fast.wrote.all()
    assert fast.resid.shape == truth.resid.shape
    found = logits(loaded, fast.resid)
    assert ((found - truth.logits).abs().max() / truth.logits.abs().max()).item() <= TOLERANCE
    untouched = oracle(loaded, base.tokens, [[]], reads).logits
    return (truth.logits - untouched).abs().amax(dim=(1, 2, 3))


@pytest.mark.parametrize("text", EVERY_KIND)
def test_every_kind_of_edit_agrees_with_plain_hooks(
    model: Loaded, text: str, tokens: Tensor, other_tokens: Tensor
) -> None:
    clean, base = runs(model, tokens, other_tokens)
    one, ragged = torch.full((len(tokens),), 4), 3 + torch.arange(len(tokens)) % 5
    interventions = [edits(clean, [text], at) for at in (None, one, ragged)]
    moved = assert_agrees(base, interventions, last_two(tokens))
    assert moved[0] > 1e-4


@pytest.mark.parametrize("texts", GROUPS, ids=" ".join)
def test_edits_in_several_layers_are_made_together(
    model: Loaded, texts: list[str], tokens: Tensor, other_tokens: Tensor
) -> None:
    clean, base = runs(model, tokens, other_tokens)
    interventions = [edits(clean, texts, None), edits(clean, texts, torch.full((len(tokens),), 5))]
    mixed = edits(clean, texts[:2], torch.full((len(tokens),), 3)) + edits(clean, texts[2:], None)
    moved = assert_agrees(base, [*interventions, mixed], last_two(tokens))
    assert (moved > 1e-4).all()


def test_means_at_all_positions_knock_out_heads_of_two_layers(
    model: Loaded, tokens: Tensor, other_tokens: Tensor
) -> None:
    clean, base = runs(model, tokens, other_tokens)
    heads = [component(named(model, text)) for text in ("0.0", "0.2", "{last}.1")]
    means = [read(clean, head, None).mean(dim=0).expand(*tokens.shape, -1) for head in heads]
    moved = assert_agrees(
        base, [[Edit(head, None, mean) for head, mean in zip(heads, means, strict=True)]], last_two(tokens)
    )
    assert moved[0] > 1e-4


def test_a_sweep_of_all_heads_rides_in_few_batches_and_agrees(
    model: Loaded, tokens: Tensor, other_tokens: Tensor
) -> None:
    clean, base = runs(model, tokens, other_tokens)
    sweep = [edits(clean, [f"{layer}.{head}"], None) for layer in range(model.layers) for head in range(model.heads)]
    assert_agrees(base, sweep, last_two(tokens)[:, 1:])


@pytest.mark.parametrize("budget", [1, 40_000, 400_000])
def test_the_memory_budget_changes_no_number(
    random_model: Loaded, budget: int, tokens: Tensor, other_tokens: Tensor
) -> None:
    clean, base = runs(random_model, tokens, other_tokens)
    sweep = [edits(clean, texts, None) for texts in (["0.0"], ["0.1"], ["0.2"], ["0.0", "2.1"], ["resid.1"])]
    assert_agrees(base, sweep, last_two(tokens), budget)


def test_a_budget_of_one_byte_runs_prompt_by_prompt(random_model: Loaded, tokens: Tensor) -> None:
    base = record(random_model, tokens)
    found = list(portions(base, Cone(0, 0, 10, attends=False), members=2, budget_bytes=1))
    prompts = [slice(at, at + 1) for at in range(6)]
    assert found == [(slice(0, 1), prompts), (slice(1, 2), prompts)]


def test_the_cone_starts_where_the_prompts_first_differ_and_ends_at_the_last_read(
    random_model: Loaded, tokens: Tensor, other_tokens: Tensor
) -> None:
    clean, base = runs(random_model, tokens, other_tokens)
    reads = torch.full((len(tokens), 1), 7)
    assert cone_of(base, edits(clean, ["1.0", "2.1"], None), reads) == Cone(1, 3, 8, attends=False)
    assert cone_of(base, edits(clean, ["resid.2"], torch.full((6,), 5)), reads) == Cone(2, 5, 8, attends=True)
    assert cone_of(base, edits(clean, ["mlp.2"], torch.full((6,), 9)), reads) == Cone(2, 9, 10, attends=False)


def test_a_null_edit_is_really_run_and_changes_nothing(model: Loaded, tokens: Tensor) -> None:
    base = record(model, tokens)
    reads = torch.arange(10).repeat(len(tokens), 1)
    null = [edits(base, [text], None) for text in ("embed", "1.0", "mlp.1", "{last}.0")]
    assert cone_of(base, null[0], reads) == Cone(0, 0, 10, attends=True)
    again = replay(base, null, reads)
    assert again.wrote.all()
    assert ((again.resid - base.resid[-1]).abs().max() / base.resid[-1].abs().max()).item() <= TOLERANCE


def test_no_edits_give_the_run_itself(random_model: Loaded, tokens: Tensor) -> None:
    base = record(random_model, tokens)
    reads = torch.tensor([[2, 9]]).repeat(len(tokens), 1)
    again = replay(base, [[]], reads)
    assert again.wrote.tolist() == [True]
    assert torch.equal(again.resid[0], base.resid[-1][:, [2, 9]])
    assert replay(base, [], reads).resid.shape == (0, 6, 2, random_model.d_model)


def test_a_read_before_the_edit_is_untouched(random_model: Loaded, tokens: Tensor, other_tokens: Tensor) -> None:
    clean, base = runs(random_model, tokens, other_tokens)
    late = edits(clean, ["1.0"], torch.full((len(tokens),), 8))
    before = torch.full((len(tokens), 1), 4)
    again = replay(base, [late], before)
    assert again.wrote.tolist() == [True]
    assert torch.allclose(again.resid[0], base.resid[-1][:, 4:5], atol=1e-5)


def test_the_edited_run_is_left_as_it_was(random_model: Loaded, tokens: Tensor, other_tokens: Tensor) -> None:
    clean, base = runs(random_model, tokens, other_tokens)
    before = [tensor.clone() for tensor in (*base.resid, *base.z, *base.k, *base.v)]
    replay(base, [edits(clean, ["0.1", "1.0.k", "mlp.2", "resid.3"], None)], last_two(tokens))
    assert all(map(torch.equal, before, (*base.resid, *base.z, *base.k, *base.v)))
    modules = list(random_model.model.modules())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in modules)
    assert not any("forward" in vars(module) for module in modules)


def test_a_hook_that_never_fires_is_told(random_model: Loaded, tokens: Tensor, other_tokens: Tensor) -> None:
    """A family file that names a module which the forward pass does not use."""
    clean, base = runs(random_model, tokens, other_tokens)
    unused = torch.nn.Linear(3, 3)
    wrong = SimpleNamespace(**vars(random_model.architecture))
    wrong.down_projection = lambda mlp: unused
    misread = Record(**{**vars(base), "loaded": Loaded(**{**vars(random_model), "architecture": wrong})})
    some = [edits(clean, ["mlp.1.7"], None), edits(clean, ["1.0"], None), edits(clean, ["mlp.1.7", "1.0"], None)]
    assert replay(misread, some, last_two(tokens)).wrote.tolist() == [False, True, False]


def test_gradients_reach_the_values_of_the_edits(random_model: Loaded, tokens: Tensor) -> None:
    base = record(random_model, tokens)
    head = component("1.0")
    value = read(base, head, None).clone().requires_grad_()
    replay(base, [[Edit(head, None, value)]], last_two(tokens)).resid.sum().backward()
    assert value.grad is not None and value.grad.abs().max() > 0


def test_answer_rows_are_rows_of_the_whole_vocabulary(model: Loaded, tokens: Tensor) -> None:
    base = record(model, tokens)
    whole = logits(model, base.resid[-1])
    rows = torch.tensor([2, 0])
    assert torch.allclose(logits(model, base.resid[-1], rows), whole[..., rows], atol=1e-5 * whole.abs().max().item())
    per_read = torch.randint(3, (*tokens.shape, 2), device=whole.device)
    assert torch.allclose(
        logits(model, base.resid[-1], per_read), whole.gather(-1, per_read), atol=1e-5 * whole.abs().max().item()
    )


@pytest.mark.parametrize(
    ("text", "shape", "at", "message"),
    [
        ("9.0", (6, 10, 8), None, "no layer 9; write 0 to 3"),
        ("0.4", (6, 10, 8), None, "has 4 heads; write 0 to 3"),
        ("mlp.0.999", (6, 10, 1), None, "neurons; write 0 to"),
        ("mlp.*", (6, 10, 32), None, "means several components"),
        ("0.*", (6, 10, 8), None, "means several components"),
        ("logits", (6, 10, 41), None, "cannot be edited"),
        ("0.1[END>S]", (6, 10, 10), None, "edit the head's pattern"),
        ("mlp.0", (6, 10, 31), None, r"it must be \(6, 10, 32\)"),
        ("mlp.0", (6, 10, 32), [1] * 6, r"it must be \(6, 32\)"),
        ("mlp.0", (6, 32), [1, 2, 3, 4, 5, 10], "a token index from 0 to 9"),
    ],
)
def test_what_cannot_be_edited_is_refused_with_what_to_write_instead(
    random_model: Loaded, text: str, shape: tuple[int, ...], at: list[int] | None, message: str, tokens: Tensor
) -> None:
    base = record(random_model, tokens)
    edit = Edit(component(text), None if at is None else torch.tensor(at), torch.zeros(shape))
    with pytest.raises(CannotEdit, match=message):
        replay(base, [[edit]], last_two(tokens))


def test_one_place_cannot_take_two_values(random_model: Loaded, tokens: Tensor) -> None:
    base = record(random_model, tokens)
    five, ragged = torch.full((6,), 5), torch.tensor([4, 4, 4, 4, 4, 5])
    apart = edits(base, ["0.1"], five) + edits(base, ["0.1"], torch.full((6,), 4))
    assert replay(base, [apart], last_two(tokens)).wrote.tolist() == [True]
    for twice in (
        edits(base, ["0.1"], five) + edits(base, ["0.1"], ragged),
        edits(base, ["embed"], None) + edits(base, ["resid.0"], five),
        edits(base, ["0.1.v"], five) + edits(base, ["0.1.pattern"], five),
    ):
        with pytest.raises(CannotEdit, match="edited t"):
            replay(base, [twice], last_two(tokens))


def test_attached_hooks_are_gone_after_an_error(random_model: Loaded) -> None:
    norm = random_model.final_norm()
    with pytest.raises(KeyError), attached(norm.register_forward_hook(lambda *_: None)):
        raise KeyError
    assert not norm._forward_hooks
