"""What pages show of numbers: a picture that suits the technique, what was left out, and the words for units."""

import pytest

from tests.engine.made_numbers import ENVIRONMENT, SOUND, kept
from wiki.exhibits import run as exhibits
from wiki.exhibits.control import _random_sets
from wiki.exhibits.many import picture_of_many
from wiki.exhibits.words import unit
from wiki.pictures.interval import Expected, Row
from workers.engine.numbers import Edited, Numbers, SetsTried, TriedSet
from workers.engine.techniques import TECHNIQUES
from workers.engine.verdict import ControlJudged

ANYTHING = Expected("anything")


def rows(*names, claimed=()):
    return [Row(name, float(index), None, "holds", name in claimed) for index, name in enumerate(names)]


def shown(kind, found, **spec):
    example = TECHNIQUES["path_patching"].spec.from_json(
        {"metric": "logit_diff", "components": ["0.0"], "receivers": ["1.1.q"], "corruption": "abc", **spec}
    )
    return picture_of_many(kind, found, example, ANYTHING, 0.0, "logits")


def test_all_heads_are_a_map_that_scrolls_by_itself():
    found = shown("heads", rows(*(f"{layer}.{head}" for layer in range(2) for head in range(3)), claimed=("1.2",)))
    assert found.caption == "Layers by heads; outlined: named by the claim."
    assert found.region == "Map of layers by heads" and 'class="heat claimed"' in found.svg


def test_few_components_or_two_of_one_head_are_no_map():
    assert shown("heads", rows("0.0", "0.1")) is None
    assert shown("heads", rows(*(f"0.{head}@{at}" for head in range(3) for at in ("S1", "END")))) is None


def test_layers_at_several_positions_are_a_map_of_positions():
    found = shown("positions", rows(*(f"resid.{layer}@{at}" for layer in (1, 2, 3) for at in ("S1", "END"))))
    assert found.caption == "Layers by positions."
    assert found.svg.index(">END</text>") < found.svg.index(">S1</text>"), "in the same order in every draw"


def test_one_place_at_several_layers_is_a_line_in_their_order():
    found = shown("layers", rows("resid.10@END", "resid.2@END"))
    assert "layer of resid.*@END" in found.svg and found.svg.index(">2</text>") < found.svg.index(">10</text>")
    assert shown("layers", rows("resid.1@END", "resid.2@S1")) is None


def test_what_reaches_receivers_is_drawn_as_arrows_to_them():
    found = shown("graph", rows("0.0", "0.1", claimed=("0.1",)))
    assert "a bold frame: named by the claim" in found.caption and "2 paths to 1.1.q" in found.svg


@pytest.mark.parametrize(
    ("technique", "spec", "words"),
    [
        ("behavior", {"metric": "prob"}, "probability"),
        ("behavior", {"metric": "logit_diff"}, "logit diff (logits)"),
        ("behavior", {"metric": "kl"}, "KL (nats)"),
        ("ablation", {"metric": "logit_diff", "components": ["0.0"]}, "change in logit diff (logits)"),
        ("ov_copying", {"components": ["0.0"]}, "copying (share of tokens)"),
    ],
)
def test_an_axis_says_what_is_counted_and_says_it_once(technique, spec, words):
    assert unit(TECHNIQUES[technique].spec.from_json(spec)) == words


def test_a_control_that_had_nothing_to_try_gives_no_numbers():
    assert "no other components" in _random_sets(ControlJudged(kind="random_sets", exceeding=0, tried=0, p=1.0, rank=1))
    tried = ControlJudged(kind="random_sets", exceeding=1, tried=19, p=0.1, rank=2, pool="random directions")
    assert _random_sets(tried) == "1 of 19 random directions at least as extreme; p = 0.100; rank 2 of 20"


def numbers(*values):
    return Numbers(
        protocol=1,
        measurement="sha256:" + "0" * 64,
        draw=0,
        seed="0",
        looks=(2,),
        planned_looks=4,
        population="seeded",
        unit="sequence",
        prompts=kept(2),
        base="clean",
        clean={"accuracy": (1.0, 1.0)},
        edited=tuple(Edited(components=(f"0.{i}",), arm={"accuracy": (v, v)}) for i, v in enumerate(values)),
        soundness=SOUND,
        environment=ENVIRONMENT,
    )


def test_of_many_components_a_run_shows_those_that_differ_most_and_says_how_many_it_leaves_out():
    many = numbers(*(1.0 - index / 10 for index in range(8)))
    assert [strip.label for strip in exhibits._strips(many, "accuracy")][1:] == [f"0.{i}" for i in (7, 6, 5, 4, 3, 2)]
    assert "the 6 of 8 components that differ most" in exhibits._caption(many, "accuracy")
    assert "left out" not in exhibits._caption(numbers(0.1, 0.2), "accuracy")


def test_random_directions_are_called_that_and_not_counted_as_if_there_were_so_many():
    tried = SetsTried(
        protocol=1,
        measurement="sha256:" + "0" * 64,
        draw=0,
        seed="0",
        prompts=kept(2),
        pool="random directions",
        excluded=(),
        possible=2**53 - 1,
        own=-1.0,
        tried=tuple(TriedSet(components=(f"random direction {n}",), value=0.0) for n in range(19)),
        soundness=SOUND,
        environment=ENVIRONMENT,
    )
    assert exhibits._how_many(tried) == ("Random directions", "19")
