"""Stated prompts: a fixed list, one draw."""

import pytest

from tests.engine.hand_tokenizers import pieces_vocabulary, words_vocabulary
from workers.engine.documents.document import Invalid
from workers.engine.prompts import GENERATORS, Answer, Extent, Prompt, Refused, Vocabulary
from workers.engine.prompts.pairs import PairsSource

WORDS = words_vocabulary("The capital of France is Paris Italy Rome and")  # The is token 3, Paris 8, Italy 9, Rome 10
FRANCE = {
    "prompt": "The capital of France is",
    "corrupted": {"italy": "The capital of Italy is"},
    "right": ["Paris"],
    "wrong": ["Rome"],
    "positions": {"COUNTRY": {"word": "France"}, "OF": 2},
}
ITALY = {
    "prompt": "The capital of Italy is",
    "corrupted": {"italy": "The capital of France is"},
    "right": ["Rome"],
    "wrong": ["Paris"],
    "positions": {"COUNTRY": {"word": "Italy"}, "OF": 2},
}
IN_TOKENS = {"tokens": [5, 6, 7], "corrupted": {"other": [5, 9, 7]}, "right": [8], "positions": {"MIDDLE": 1}}


def prompts(*stated, vocabulary: Vocabulary = WORDS, **changes) -> list[Prompt]:
    source = PairsSource.from_json({"generator": "pairs", "prompts": list(stated), **changes})
    return list(GENERATORS["pairs"].generate(source, vocabulary, 0))


def problems(*stated) -> dict[str, str]:
    with pytest.raises(Invalid) as raised:
        PairsSource.from_json({"generator": "pairs", "prompts": list(stated)})
    return {problem.path: problem.message for problem in raised.value.problems}


def test_a_stated_text_becomes_one_prompt():
    assert prompts(FRANCE) == [
        Prompt(
            text="The capital of France is",
            tokens=(1, 3, 4, 5, 6, 7),
            answers=(Answer(5, right=(8,), wrong=(10,)),),
            corrupted={"italy": (1, 3, 4, 5, 9, 7)},
            positions={"COUNTRY": 4, "OF": 3, "END": 5},
            template="/6",
            unit="0",
        )
    ]


def test_stated_tokens_become_one_prompt_behind_bos():
    (prompt,) = prompts(IN_TOKENS, vocabulary=Vocabulary(size=20, longest=10, bos=0))
    assert prompt.tokens == (0, 5, 6, 7)
    assert prompt.corrupted == {"other": (0, 5, 9, 7)}
    assert prompt.answers == (Answer(3, right=(8,)),)
    assert prompt.positions == {"MIDDLE": 2, "END": 3}
    assert prompt.text == "5 6 7"


def test_each_prompt_is_independent_unless_it_says_otherwise():
    assert [prompt.unit for prompt in prompts(FRANCE, ITALY)] == ["0", "1"]
    mirrored = ({**FRANCE, "unit": "pair"}, {**ITALY, "unit": "pair"})
    assert [prompt.unit for prompt in prompts(*mirrored)] == ["pair", "pair"]


def test_it_is_one_draw_whatever_the_seed():
    source = PairsSource.from_json({"generator": "pairs", "prompts": [FRANCE, ITALY]})
    generator = GENERATORS["pairs"]
    assert generator.draws(source) == "stated"
    assert list(generator.generate(source, WORDS, 1)) == list(generator.generate(source, WORDS, 2))


def test_names_are_known_from_text_alone():
    names = GENERATORS["pairs"].names(PairsSource.from_json({"generator": "pairs", "prompts": [FRANCE, ITALY]}))
    assert (names.positions, names.corruptions) == ({"COUNTRY", "OF", "END"}, {"italy"})
    assert names.has_wrong_answers


def test_a_prompt_that_lacks_a_position_is_named():
    assert problems(FRANCE, {**ITALY, "positions": {"OF": 2}}) == {
        "prompts.1.positions": "'The capital of Italy is': lacks COUNTRY; all prompts name the same"
    }


def test_a_prompt_that_lacks_a_corruption_is_named():
    assert "lacks italy and has x" in problems(FRANCE, {**ITALY, "corrupted": {"x": "a"}})["prompts.1.corrupted"]


def test_a_word_that_is_not_there_is_named():
    message = problems({**FRANCE, "positions": {"COUNTRY": {"word": "Spain"}}})["prompts.0"]
    assert message == "'The capital of France is': has no position COUNTRY: the word 'Spain' is not there"


def test_token_sequences_of_different_lengths_are_refused_with_both_numbers():
    assert (
        "has 3 tokens, corrupted by 'other' 2" in problems({**IN_TOKENS, "corrupted": {"other": [5, 9]}})["prompts.0"]
    )


def test_a_position_behind_the_tokens_is_named():
    assert "3 lies behind its last token" in problems({**IN_TOKENS, "positions": {"X": 3}})["prompts.0"]
    with pytest.raises(Refused, match="has no position OF: token 5 lies behind its end"):
        prompts({**FRANCE, "positions": {"OF": 5}})


def test_a_prompt_is_text_or_tokens():
    assert '{"prompt": ...}' in problems({"right": ["a"]})["prompts.0"]


def test_texts_of_different_lengths_are_refused_with_both_numbers():
    with pytest.raises(Refused, match=r"'The capital of France is' has 6 tokens, corrupted by 'italy' .* has 7"):
        prompts({**FRANCE, "corrupted": {"italy": "The capital of Italy is and"}})


def test_an_answer_of_several_tokens_must_be_declared():
    vocabulary = pieces_vocabulary("of is Par ##is Rome")
    stated = {"prompt": "of is", "right": ["Paris"], "wrong": ["Rome"]}
    with pytest.raises(Refused, match="'of is': the answer ' Paris' has 2 tokens"):
        prompts(stated, vocabulary=vocabulary)
    (prompt,) = prompts(stated, vocabulary=vocabulary, scoring="first_token")
    assert prompt.answers == (Answer(2, right=(5,), wrong=(7,)),)


def test_a_sequence_is_read_token_by_token_behind_the_prompt():
    vocabulary = pieces_vocabulary("of is Par ##is Rome")
    stated = {"prompt": "of is", "corrupted": {"is": "is of"}, "right": ["Paris"]}
    (prompt,) = prompts(stated, vocabulary=vocabulary, scoring="sequence")
    assert prompt.answers == (Answer(2, right=(5,)), Answer(3, right=(6,)))
    assert (prompt.tokens, prompt.corrupted["is"]) == ((1, 3, 4, 5), (1, 4, 3, 5))
    assert (prompt.positions["END"], prompt.template) == (2, "/4")


def test_a_sequence_is_estimated_at_its_longest():
    source = {"generator": "pairs", "prompts": [{"prompt": "of", "right": ["Paris"]}], "scoring": "sequence"}
    assert GENERATORS["pairs"].extent(PairsSource.from_json(source)) == Extent(
        1, tokens=1 + 3 - 1, answers=3, layouts=1
    )


def test_a_text_needs_a_tokenizer():
    with pytest.raises(Refused, match="this model has no tokenizer"):
        prompts(FRANCE, vocabulary=Vocabulary(size=20, longest=10, bos=None))
