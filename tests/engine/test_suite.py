"""Several tasks at once."""

import os
from itertools import islice
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from tests.engine.hand_tokenizers import model, words_vocabulary
from workers.engine.documents.behavior import Behavior
from workers.engine.documents.document import Invalid
from workers.engine.prepare import prompts_of, vocabulary_of
from workers.engine.prompts import GENERATORS, Extent, Prompt
from workers.engine.prompts.suite import SuiteSource

BEHAVIORS = Path(__file__).parents[1] / "checkpoints" / "behaviors"
SUITE, CHILD = "pronouns-for-children", "pronoun-for-a-child"
WORDS = words_vocabulary("a b c d e f g h i j", positions=16)
CALL = {
    "generator": "template",
    "templates": ["a {X} b", "c {X} b"],
    "lists": {"letters": ["d", "e", "f", "g"]},
    "slots": {"X": {"list": "letters"}},
    "positions": {"X": {"slot": "X"}},
    "answers": {"right": ["{X}"], "wrong": ["a"]},
    "corruptions": {"other": {"redraw": {"X": "letters"}}, "same": {"replace": {"X": "h"}}},
}
TEXT = {"generator": "text", "documents": ["a b c d e f", "f e d c b a"], "length": 3}
STATED = {"generator": "pairs", "prompts": [{"tokens": [3, 4], "right": [5], "wrong": [6]}]}


def source(**parts) -> SuiteSource:
    return SuiteSource.from_json({"generator": "suite", "parts": parts})


def prompts(number: int, seed: int = 0, **parts) -> list[Prompt]:
    return list(islice(GENERATORS["suite"].generate(source(**parts), WORDS, seed), number))


def test_parts_take_turns_in_the_order_of_their_names():
    found = prompts(6, text=TEXT, call=CALL)
    assert [prompt.template.partition(":")[0] for prompt in found] == ["call", "text"] * 3
    assert found == prompts(6, call=CALL, text=TEXT)


def test_a_part_keeps_its_templates_and_units_under_its_name():
    call, text = prompts(2, call=CALL, text=TEXT)
    assert (call.unit, text.template) == ("call:0", "text:text")
    assert call.template.startswith("call:") and call.template.endswith("/2/4")


def test_what_all_parts_have_can_be_named_and_nothing_else():
    less = {**CALL, "corruptions": {"other": CALL["corruptions"]["other"]}, "positions": {}}
    names = GENERATORS["suite"].names(source(one=CALL, two=less))
    assert (names.positions, names.corruptions, names.has_wrong_answers) == ({"END"}, {"other"}, True)
    for prompt in prompts(4, one=CALL, two=less):
        assert {*prompt.corrupted} == {"other"} and {*prompt.positions} == {"END"}


def test_wrong_answers_that_only_one_part_has_are_left_out():
    """Else the logit difference of the others would be measured, and be no number."""
    found = list(islice(prompts_of(source(call=CALL, text=TEXT), WORDS, "5eed"), 4))
    assert not any(answer.wrong for prompt in found for answer in prompt.answers)


def test_parts_of_the_same_words_do_not_get_the_same_ones():
    found = prompts(40, one=CALL, two=CALL)
    assert [prompt.tokens for prompt in found[::2]] != [prompt.tokens for prompt in found[1::2]]


def test_the_same_seed_gives_the_same_prompts_and_a_longer_draw_begins_with_the_shorter():
    parts = {"call": CALL, "text": TEXT}
    assert prompts(10, **parts) == prompts(20, **parts)[:10]
    assert prompts(10, 1, **parts) != prompts(10, **parts)
    again = SuiteSource.read(source(**parts).text)
    assert list(islice(GENERATORS["suite"].generate(again, WORDS, 0), 10)) == prompts(10, **parts)


def test_stated_parts_end_when_all_have_ended():
    longer = {**STATED, "prompts": [*STATED["prompts"], {"tokens": [4, 5], "right": [3], "wrong": [6]}]}
    assert GENERATORS["suite"].draws(source(short=STATED, long=longer)) == "stated"
    assert [prompt.unit for prompt in prompts(9, short=STATED, long=longer)] == ["long:0", "short:0", "long:1"]


def test_its_extent_is_that_of_its_parts_together():
    generator = GENERATORS["suite"]
    assert generator.extent(source(call=CALL, text=TEXT)) == Extent(prompts=None, tokens=3, answers=1, layouts=9)
    assert generator.extent(source(one=STATED, two=STATED)).prompts == 2


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"call": CALL}, "at least 2"),
        ({"call": CALL, "stated": STATED}, "are not alike: call seeded, stated stated"),
        ({"call": CALL, "more": {"generator": "suite", "parts": {"a": CALL, "b": TEXT}}}, "a suite holds no suites"),
        ({"call": CALL, "text": {**TEXT, "length": "x"}}, "parts.text.length"),
    ],
)
def test_what_makes_no_suite_is_refused_at_once(parts, message):
    with pytest.raises(Invalid, match=message):
        source(**parts)


def test_its_version_rises_with_that_of_any_part():
    versions = [GENERATORS[name].version for name in GENERATORS if name != "suite"]
    assert GENERATORS["suite"].version == 1 + sum(versions) - len(versions)


@pytest.mark.checkpoints
def test_girls_and_boys_take_turns_on_a_real_tokenizer():
    stated = {name: Behavior.read((BEHAVIORS / f"{name}.json").read_text()).prompts for name in (SUITE, CHILD)}
    assert stated[SUITE]["default"].parts == {"boys": stated[CHILD]["boys"], "girls": stated[CHILD]["default"]}
    tokenizer = Tokenizer.from_file(str(Path(os.environ["CHECKPOINTS"]) / "stories260K/tokenizer.json"))
    vocabulary = vocabulary_of(tokenizer, model(tokenizer.get_vocab_size(), positions=128))
    found = list(islice(prompts_of(stated[SUITE]["default"], vocabulary, "5eed"), 24))
    assert all(" boy " in prompt.text for prompt in found[::2]) and all(
        " girl " in prompt.text for prompt in found[1::2]
    )
    assert len({prompt.template.partition("/")[0] for prompt in found}) == 12
