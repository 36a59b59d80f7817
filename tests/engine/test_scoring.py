"""Answers of several tokens, by their first token or token by token."""

from itertools import islice

import pytest

from tests.engine.hand_tokenizers import pieces_vocabulary
from workers.engine.prompts import GENERATORS, Prompt, Refused
from workers.engine.prompts.template import TemplateSource

NAMES = {"Alexander": ["Alex", "##ander"], "Johanna": ["Jo", "##hanna"]}
PIECES = pieces_vocabulary(
    "When and went , gave it to " + " ".join(piece for pieces in NAMES.values() for piece in pieces)
)
IOI = {
    "generator": "template",
    "templates": ["When {A} and {B} went , {S} gave it to"],
    "lists": {"names": [*NAMES]},
    "slots": {
        "A": {"list": "names", "different_from": ["B"]},
        "B": {"list": "names"},
        "S": {"one_of": ["A", "B"]},
        "IO": {"other_of": "S"},
    },
    "corruptions": {"flip": {"replace": {"S": "{IO}"}}},
}
SEQUENCE = {"right": ["{IO}"], "scoring": "sequence"}


def prompt(**answers) -> Prompt:
    source = TemplateSource.from_json({**IOI, "answers": {**SEQUENCE, **answers}})
    return next(GENERATORS["template"].generate(source, PIECES, 0))


def test_a_sequence_is_read_token_by_token_behind_the_prompt():
    plain, read = prompt(scoring="first_token"), prompt()
    end = plain.positions["END"]
    first, second = (answer.right[0] for answer in read.answers)
    assert read.positions["END"] == end == len(plain.tokens) - 1
    assert [answer.position for answer in read.answers] == [end, end + 1]
    assert (plain.answers[0].right, read.tokens) == ((first,), (*plain.tokens, first))
    assert read.corrupted["flip"] == (*plain.corrupted["flip"], first)
    assert [first, second] in [PIECES.encode(name).ids for name in NAMES]


def test_a_sequence_has_one_right_answer_and_no_wrong_one():
    for answers in ({"wrong": ["{S}"]}, {"right": ["{IO}", "{S}"]}):
        with pytest.raises(Refused, match="so a sequence has one right answer and no wrong one; state one"):
            prompt(**answers)


def test_answers_of_one_token_may_be_called_sequences_and_be_compared():
    found = prompt(right=["it"], wrong=["to"])
    assert len(found.answers) == 1 and found.answers[0].wrong


def test_an_estimate_counts_the_answers_behind_the_prompt():
    source = TemplateSource.from_json({**IOI, "answers": SEQUENCE})
    found = GENERATORS["template"].extent(source)
    longest = max(len(one.tokens) - 1 for one in islice(GENERATORS["template"].generate(source, PIECES, 0), 8))
    assert found.answers == 5 and longest <= found.tokens  # "Alexander" has nine letters: five tokens at most
