"""Text as the tokenizers of real models see it: joined words, spaces at either end of a token, bytes."""

import os
from itertools import islice
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from tests.engine.hand_tokenizers import model
from workers.engine.prepare import prompts_of, vocabulary_of
from workers.engine.prompts import Prompt, Refused, Vocabulary
from workers.engine.prompts.template import TemplateSource

pytestmark = pytest.mark.checkpoints

STORY = {
    "generator": "template",
    "templates": ["{A} and {B} went to the park. {S} gave a ball to"],
    "lists": {"names": ["Lily", "Tom"]},
    "slots": {
        "A": {"list": "names", "different_from": ["B"]},
        "B": {"list": "names"},
        "S": {"one_of": ["A", "B"]},
        "IO": {"other_of": "S"},
    },
    "positions": {
        "S1": {"slot": "S", "token": "first"},
        "S2": {"slot": "S", "occurrence": 2},
        "PARK": {"word": "park"},
    },
    "answers": {"right": ["{IO}"], "wrong": ["{S}"], "scoring": "first_token"},
}


def vocabulary(name: str) -> Vocabulary:
    tokenizer = Tokenizer.from_file(str(Path(os.environ["CHECKPOINTS"]) / name / "tokenizer.json"))
    return vocabulary_of(tokenizer, model(tokenizer.get_vocab_size(), positions=128))


def prompts(name: str, **changes) -> list[Prompt]:
    return list(islice(prompts_of(TemplateSource.from_json({**STORY, **changes}), vocabulary(name), "5eed"), 8))


def test_a_llama_tokenizer_is_read_through_its_offsets():
    for prompt in prompts("stories260K"):
        assert prompt.tokens[0] == 1
        assert prompt.positions["S1"] < prompt.positions["PARK"] < prompt.positions["S2"]


def test_a_tokenizer_that_joins_words_refuses_answers_it_would_join_to_the_prompt():
    with pytest.raises(Refused, match="splits the prompt itself otherwise; move the space"):
        prompts("tinystories_656k")


def test_the_space_may_stand_at_the_end_of_the_prompt_instead():
    answers = {**STORY["answers"], "prefix": ""}
    text = "{A} and {B} went to the park. {S} gave a ball to "
    for prompt in prompts("tinystories_656k", templates=[text], answers=answers):
        assert prompt.answers[0].position == len(prompt.tokens) - 1


def test_answers_that_share_their_first_token_are_refused():
    with pytest.raises(Refused, match="begin with the same token"):
        prompts("stories260K", lists={"names": ["Tom", "Ted"]})
