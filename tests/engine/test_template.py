"""The template generator, on sentences whose tokens can be counted by hand."""

from hashlib import sha256
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.hand_tokenizers import pieces_vocabulary, words_vocabulary
from workers.engine.documents.document import Invalid
from workers.engine.prompts import GENERATORS, Prompt, Refused
from workers.engine.prompts.template import TemplateSource

NAMES = ["Mary", "John", "Tom", "Anna"]
WORDS_OF_TEXT = "Mary John Tom Anna When and went , gave it to Then met . handed"
WORDS_OF_TOKENS = ["<pad>", "<s>", "<unk>", *WORDS_OF_TEXT.split()]
WORDS = words_vocabulary(WORDS_OF_TEXT)
IOI = {
    "generator": "template",
    "templates": ["When {A} and {B} went , {S} gave it to", "Then {A} met {B} . {S} handed it to"],
    "lists": {"names": NAMES},
    "slots": {
        "A": {"list": "names", "different_from": ["B"]},
        "B": {"list": "names"},
        "S": {"one_of": ["A", "B"]},
        "IO": {"other_of": "S"},
    },
    "positions": {
        "IO": {"slot": "IO"},
        "S1": {"slot": "S"},
        "S2": {"slot": "S", "occurrence": -1},
        "IT": {"word": "it"},
    },
    "answers": {"right": ["{IO}"], "wrong": ["{S}"]},
    "corruptions": {
        "abc": {"redraw": {"A": "names", "S": "names"}},
        "flip": {"replace": {"S": "{IO}"}},
        "names": {"redraw": {"A": "names", "B": "names"}},
    },
}


def source(**changes) -> TemplateSource:
    return TemplateSource.from_json({**IOI, **changes})


def prompts(number: int, seed: int = 0, vocabulary=WORDS, **changes) -> list[Prompt]:
    return list(islice(GENERATORS["template"].generate(source(**changes), vocabulary, seed), number))


def spelt(tokens) -> str:
    return " ".join(WORDS_OF_TOKENS[token] for token in tokens)


def problems(**changes) -> dict[str, str]:
    with pytest.raises(Invalid) as raised:
        source(**changes)
    return {problem.path: problem.message for problem in raised.value.problems}


def test_a_prompt_is_bos_and_the_filled_template():
    for prompt in prompts(20):
        assert spelt(prompt.tokens) == "<s> " + prompt.text


def test_templates_take_turns():
    assert [prompt.text.split()[0] for prompt in prompts(4)] == ["When", "Then", "When", "Then"]


def test_a_template_is_known_by_its_text_and_the_layout_of_its_tokens():
    first, second, third = (prompt.template.split("/") for prompt in prompts(3))
    assert first == third == [sha256(IOI["templates"][0].encode()).hexdigest()[:8], "2,4,7", "11"]
    assert second[0] != first[0]
    assert prompts(1, templates=IOI["templates"][:1])[0].template == "/".join(first)


def test_the_subject_is_one_of_the_two_names_and_the_answer_is_the_other():
    for prompt in prompts(50):
        first, second = prompt.text.split()[1], prompt.text.split()[3]
        subject = prompt.text.split()[-4]
        assert {first, second} == {subject, spelt(prompt.answers[0].right)}
        assert spelt(prompt.answers[0].wrong) == subject


def test_the_answer_is_read_at_the_last_token():
    (prompt,) = prompts(1)
    assert prompt.answers[0].position == prompt.positions["END"] == len(prompt.tokens) - 1


def test_positions_follow_the_word_and_not_the_slot():
    for prompt in prompts(50):
        words = spelt(prompt.tokens).split()
        assert words[prompt.positions["S1"]] == words[prompt.positions["S2"]]
        assert prompt.positions["S1"] < prompt.positions["S2"]
        assert words[prompt.positions["IO"]] == spelt(prompt.answers[0].right)
        assert words[prompt.positions["IT"]] == "it"


def test_flip_puts_the_indirect_object_where_the_subject_stood_again():
    for prompt in prompts(20):
        changed = [i for i, (a, b) in enumerate(zip(prompt.tokens, prompt.corrupted["flip"], strict=True)) if a != b]
        assert changed == [prompt.positions["S2"]]
        assert prompt.corrupted["flip"][changed[0]] == prompt.answers[0].right[0]


def test_redrawn_words_differ_from_the_prompts_and_from_each_other():
    for prompt in prompts(50):
        clean, corrupted = spelt(prompt.tokens).split(), spelt(prompt.corrupted["abc"]).split()
        new = [b for a, b in zip(clean, corrupted, strict=True) if a != b]
        assert len({*new, *(set(NAMES) & set(clean))}) == 4


def test_a_slot_follows_the_slot_it_took_its_word_from():
    for prompt in prompts(20):
        corrupted = prompt.corrupted["names"]
        assert corrupted[prompt.positions["S1"]] == corrupted[prompt.positions["S2"]]


def test_the_same_seed_gives_the_same_prompts_and_a_longer_draw_begins_with_the_shorter():
    assert prompts(10, seed=7) == prompts(20, seed=7)[:10]
    assert prompts(10, seed=7) != prompts(10, seed=8)


def test_these_are_the_prompts_of_version_1():
    assert [prompt.text for prompt in prompts(3, seed=7)] == [
        "When John and Mary went , Mary gave it to",
        "Then Tom met John . John handed it to",
        "When Mary and Tom went , Tom gave it to",
    ]


def test_the_canonical_text_of_a_source_gives_the_same_prompts():
    read = TemplateSource.read(source().text)
    assert list(islice(GENERATORS["template"].generate(read, WORDS, 3), 8)) == prompts(8, seed=3)


def test_no_prompt_comes_twice_before_all_have_come():
    texts = [prompt.text for prompt in prompts(30)]  # 2 templates x 12 pairs x 2 subjects = 48
    assert len(set(texts)) == 30


def test_a_small_template_begins_again_when_all_its_prompts_have_come():
    texts = [prompt.text for prompt in prompts(200)]
    assert len(set(texts)) == 48


@given(seed=st.integers(0, 2**64))
def test_only_allowed_pairs_stand_together_in_either_order(seed):
    allowed = [["Mary", "John"], ["Tom", "Anna"]]
    for prompt in prompts(4, seed, pairs=[{"slots": ["A", "B"], "allowed": allowed}]):
        assert sorted({prompt.text.split()[1], prompt.text.split()[3]}) in [["John", "Mary"], ["Anna", "Tom"]]


def test_both_orders_of_an_allowed_pair_come():
    texts = [p.text for p in prompts(20, pairs=[{"slots": ["A", "B"], "allowed": [["Mary", "John"]]}])]
    assert {text.split()[1] for text in texts} == {"Mary", "John"}


def test_forbidden_pairs_never_stand_together():
    forbidden = [["Mary", "John"], ["Tom", "Mary"]]
    for prompt in prompts(100, pairs=[{"slots": ["A", "B"], "forbidden": forbidden}]):
        assert {prompt.text.split()[1], prompt.text.split()[3]} not in [{"Mary", "John"}, {"Tom", "Mary"}]


PIECES = pieces_vocabulary("Mary Alex ##ander Jo ##hanna Max ##ine When and went , gave it to")
ONE_TEMPLATE = ["When {A} and {B} went , {S} gave it to"]


def test_words_of_several_tokens_are_read_at_their_last_token():
    lists = {"names": ["Alexander", "Johanna", "Maxine"]}
    (prompt,) = prompts(
        1,
        vocabulary=PIECES,
        templates=ONE_TEMPLATE,
        lists=lists,
        positions={"A": {"slot": "A"}, "A0": {"slot": "A", "token": "first"}},
        corruptions={},
        answers={"right": ["{IO}"], "wrong": ["{S}"], "scoring": "first_token"},
    )
    assert (prompt.positions["A0"], prompt.positions["A"]) == (2, 3)
    assert prompt.template.endswith("/2-3,5-6,9-10/14")
    assert len(prompt.answers[0].right) == 1


def test_an_answer_of_several_tokens_must_be_declared():
    with pytest.raises(Refused, match=r"When .*: the answer ' \w+' has 2 tokens; .*first_token"):
        prompts(
            1,
            vocabulary=PIECES,
            templates=ONE_TEMPLATE,
            lists={"names": ["Alexander", "Johanna"]},
            corruptions={},
            positions={},
        )


def test_a_corruption_of_another_length_is_refused_with_both_numbers():
    answers = {"right": ["{IO}"], "scoring": "first_token"}
    with pytest.raises(Refused, match=r"When .* has \d+ tokens, corrupted by 'flip' .* has \d+: they must be equal"):
        prompts(
            1,
            vocabulary=PIECES,
            templates=ONE_TEMPLATE,
            lists={"names": ["Mary", "Alexander"]},
            corruptions={"flip": {"replace": {"S": "{IO}"}}},
            positions={},
            answers=answers,
        )


def test_words_that_stand_at_other_tokens_are_refused_even_if_the_lengths_agree():
    swap = {"swap": {"replace": {"A": "{B}", "B": "{A}", "S": "{S}"}}}
    with pytest.raises(Refused, match="stand at different tokens"):
        prompts(
            1,
            vocabulary=PIECES,
            templates=ONE_TEMPLATE,
            lists={"names": ["Mary", "Alexander"]},
            corruptions=swap,
            positions={},
            answers={"right": ["{IO}"], "scoring": "first_token"},
        )


def test_a_word_the_tokenizer_does_not_know_is_refused():
    with pytest.raises(Refused, match="'Zoe' is unknown to the tokenizer"):
        prompts(5, lists={"names": ["Mary", "Zoe"]}, corruptions={})


def test_a_list_too_short_for_its_rules_is_refused():
    with pytest.raises(Refused, match="no words found that keep all the rules"):
        prompts(1, lists={"names": ["Mary"]})


def test_a_list_too_short_for_a_corruption_is_refused():
    with pytest.raises(Refused, match="the list 'names' is too short for the corruption 'abc'"):
        prompts(1, lists={"names": ["Mary", "John", "Tom"]})


def test_names_are_known_from_text_alone():
    names = GENERATORS["template"].names(source())
    assert names.positions == {"IO", "S1", "S2", "IT", "END"}
    assert names.corruptions == {"abc", "flip", "names"}
    assert names.has_wrong_answers
    assert GENERATORS["template"].draws(source()) == "seeded"


def test_every_error_of_a_source_is_named_with_its_path():
    found = problems(
        templates=["When {A} and {C} went", "Then {A.b}"],
        slots={**IOI["slots"], "B": {"list": "places"}, "D": {"one_of": ["A", "S"]}, "E": {"other_of": "D"}},
        answers={"right": ["{X}"]},
        positions={"Y": {"slot": "Y"}},
    )
    assert set(found) == {"templates.0", "templates.1", "slots.B", "slots.D", "answers.right.0", "positions.Y.slot"}


def test_a_form_that_is_no_slot_says_what_to_write():
    assert '{"list": NAME}' in problems(slots={"A": {"words": ["x"]}})["slots.A"]


def test_errors_inside_a_slot_have_the_path_a_reader_sees():
    assert set(problems(slots={"A": {"list": 3}})) == {"slots.A.list"}


def test_a_position_that_a_template_lacks_is_refused_at_save():
    found = problems(positions={"WENT": {"word": "went"}, "A2": {"slot": "A", "occurrence": 2}})
    assert "'Then {A} met {B} . {S} handed it to' may lack it" in found["positions.WENT"]
    assert "positions.A2" in found  # the subject need not be A


def test_a_word_is_looked_for_in_the_fixed_text_and_whole():
    assert "positions.X" in problems(positions={"X": {"word": "Mary"}})
    assert "positions.X" in problems(positions={"X": {"word": "me"}})


def test_end_cannot_be_redefined():
    assert any("END always means" in message for message in problems(positions={"END": {"word": "it"}}).values())


def test_a_pair_of_words_from_no_list_is_found():
    assert (
        "'Zoe' is not in the list" in problems(pairs=[{"slots": ["A", "B"], "allowed": [["Mary", "Zoe"]]}])["pairs.0"]
    )


def test_a_pair_rule_says_either_allowed_or_forbidden():
    assert "either" in problems(pairs=[{"slots": ["A", "B"]}])["pairs.0"]
