"""The hand-set model does what is said of it, and the table counts as it says: else its zeros would mean nothing."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmarks.calibration import main
from benchmarks.hand_set.population import BEHAVIOR, Truth, truth_of
from benchmarks.hand_set.stakes import MANY, PAIR, measurements
from benchmarks.hand_set.trials import Outcomes, Task, run
from benchmarks.hand_set.weights import (
    ADDERS,
    ASK_TOKEN,
    HEADS,
    LOUDNESS,
    WIRED,
    WORDS,
    component,
    planted,
    scrambled,
    without_behavior,
    write,
)
from benchmarks.rates import hand_set_rows, row
from workers.engine.documents.components import component as parsed
from workers.engine.edit import Edit
from workers.engine.loading import Loaded, load_folder
from workers.engine.oracle import oracle
from workers.engine.prompts.token_table import LARGEST_POPULATION
from workers.engine.verdict import Verdict

TRUE = Truth(  # what the hand-set effects come to; of no matter to the tests: what is left of the answer
    torch.ones(2),
    {
        ("reader",): torch.zeros(2),
        ("negative",): torch.full((2,), 1.5),
        PAIR: torch.zeros(2),
        ("low",): torch.full((2,), 0.8),
        MANY: torch.tensor([1.0, -1.0]),
        ("reader", "passenger"): torch.zeros(2),
    },
)
ROW_KEYS = {"expect", "effects", "model", "truth", "trials", "false_accept", "false_reject", "undecided"}


@pytest.fixture(scope="module", params=LOUDNESS)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return load_folder(write(tmp_path_factory.mktemp(request.param), planted(request.param)))


def every_word() -> Tensor:
    """(WORDS, 4): each word of each position once; heads that hear one position see all their words."""
    words = torch.arange(WORDS)[:, None]
    return torch.cat([words + torch.tensor([[0, WORDS, 2 * WORDS]]), torch.full((WORDS, 1), ASK_TOKEN)], dim=1)


def effect(model: Loaded, *names: str) -> tuple[float, float]:
    """Mean and spread, over all words, of the change of the logit difference when the heads are zero-ablated."""
    tokens = every_word()
    nothing = torch.zeros(*tokens.shape, model.d_head)
    edits = [Edit(parsed(component(name)), None, nothing) for name in names]
    found = oracle(model, tokens, [[], edits], torch.full((WORDS, 1), 3)).logits[:, :, 0, -2:]
    change = (found[1] - found[0]) @ torch.tensor([1.0, -1.0])
    return float(change.mean()), float(change.std(correction=0))


@pytest.mark.parametrize(
    ("names", "mean", "spread"),
    [
        (["carrier"], -1.0, 1.0),
        (["reader"], -1.0, 1.0),
        (["carrier", "reader"], -1.0, 1.0),
        (["either"], 0.0, 0.0),
        (["or"], 0.0, 0.0),
        (["either", "or"], -1.0, 1.0),
        (["passenger"], 0.0, 0.0),
        (["negative"], 0.5, 0.5),
        (["loud"], -1.1, 0.7),
        (["one"], -1.0, 0.7),
        (["another"], -1.0, 0.7),
        (["less"], -0.9, 0.7),
        (["low"], -0.2, 0.2),
        (["faint7"], -0.065, 0.05),
        (["dim8"], -0.07, 0.05),
    ],
)
def test_every_head_has_the_effect_that_was_set(model: Loaded, names: list[str], mean: float, spread: float) -> None:
    assert effect(model, *names) == pytest.approx((mean, spread), abs=5e-4)


def test_no_two_heads_stand_in_one_place() -> None:
    places = [component(name) for name in (*WIRED, *ADDERS)]
    assert len(set(places)) == len(places) == 2 * HEADS


def test_a_scrambled_copy_has_the_same_heads_in_other_places(tmp_path: Path) -> None:
    copy = load_folder(write(tmp_path, scrambled("normal")))
    moved = {name: float(copy.W_O(1)[number].abs().sum()) for number, name in enumerate("abcdefghijkl")}
    assert sum(moved.values()) == sum(abs(float(one.abs().sum())) for one in planted("normal")["blocks.1.attn.W_O"])
    assert abs(effect(copy, "reader")[0]) < 0.1
    assert effect(copy)[0] == 0.0


def test_a_model_without_the_behavior_answers_nothing(tmp_path: Path) -> None:
    silent = load_folder(write(tmp_path, without_behavior("normal")))
    logits = silent.model(every_word()).logits[:, -1, -2:]
    assert not (logits[:, 0] - logits[:, 1]).any()


def test_the_population_is_drawn_from_and_not_run_whole() -> None:
    source = BEHAVIOR.prompts["default"]
    assert source.size == WORDS**3 > LARGEST_POPULATION


def test_truth_is_that_of_the_whole_population(tmp_path: Path) -> None:
    truth = truth_of(load_folder(write(tmp_path, planted("skewed"))), [("negative",)])
    assert len(truth.clean) == WORDS**3
    assert truth.change("negative") == pytest.approx(0.5, abs=1e-5)
    assert truth.relative_change("negative") == pytest.approx(0.5 / float(truth.clean.mean()), abs=1e-6)


def test_a_trial_goes_through_the_whole_engine(tmp_path: Path) -> None:
    """Inside holds, outside fails, with draws and controls that differ from trial to trial."""
    folder = write(tmp_path, planted("normal"))
    measured = next(one for one in measurements(TRUE) if "passenger" in one.about)
    clear = tuple(one for one in measured.stakes if one.where != "boundary")
    few = type(measured)(measured.about, measured.spec, clear, measured.nodes)
    found = run(Task(folder, "normal", few, first=0, trials=2))
    for staked, verdicts in zip(clear, found.verdicts, strict=True):
        assert {one.outcome for one in verdicts} == {"holds" if staked.where == "inside" else "fails"}
        assert len({one.measured for one in verdicts}) == 2
        assert all(one.control is not None and one.control.kind == "random_sets" for one in verdicts)
    rows = list(hand_set_rows(found))
    shown = {(one.truth, one.false_accept, one.false_reject) for one in rows if one.expect == "member"}
    assert shown == {("inside", None, 0.0), ("outside", 0.0, None)}
    assert all(one.false_accept in (None, 0.0) and one.false_reject in (None, 0.0) for one in rows)


def test_a_false_acceptance_is_counted_where_the_truth_is_not_inside() -> None:
    said = ["holds", "fails", "undecided", "undecided"]
    boundary, inside = (row("value", "normal", "simulated", where, said) for where in ("boundary", "inside"))
    assert (boundary.false_accept, boundary.false_reject, boundary.undecided) == (0.25, None, 0.5)
    assert (inside.false_accept, inside.false_reject, inside.undecided) == (None, 0.25, 0.5)


def test_an_error_is_no_outcome() -> None:
    measured = next(measurements(TRUE))
    staked = measured.stakes[:1]
    few = type(measured)(measured.about, measured.spec, staked, measured.nodes)
    broken = Outcomes("normal", few, ((Verdict(outcome="errored", reason="a hook did not fire"),),))
    with pytest.raises(AssertionError, match="a hook did not fire"):
        list(hand_set_rows(broken))


def test_the_table_is_printed_as_one_object_per_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json", "--trials", "2", "--hand-set-trials", "0", "--only", "value/normal"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["truth"] for one in rows] == ["boundary", "inside", "outside"]
    assert all(set(one) == ROW_KEYS for one in rows)


def test_kept_rows_become_the_tables_of_the_docs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = [
        row("value", "normal", "simulated", "boundary", ["holds"] + ["undecided"] * 199),
        row("value", "skewed", "simulated", "outside", ["holds"] * 3 + ["fails"] * 197),
        row("value", "normal", "simulated", "inside", ["fails"] * 1 + ["holds"] * 199),
        row("value", "normal", "hand-set: reader", "inside", ["undecided"] * 4 + ["holds"] * 196),
    ]
    kept = tmp_path / "rows.jsonl"
    kept.write_text("".join(json.dumps(asdict(one)) + "\n" for one in found), encoding="utf-8")
    assert main(["--kept", str(kept)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[2:5] == [
        "| false accept: `holds` at or beyond the boundary | at most 1 % | 1.5 % |  |",
        "| false reject: `fails` one tolerance inside | at most 1 % | 0.5 % | 0.0 % |",
        "| undecided one tolerance inside | at most 5 % | 0.0 % | 2.0 % |",
    ]
    assert said[-1] == "| value | normal | hand-set: reader | inside | 200 |  | 0.0 % | 2.0 % |"
