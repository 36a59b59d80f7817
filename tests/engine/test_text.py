"""Windows of a stated corpus, on documents whose tokens can be counted by hand."""

import os
from itertools import islice
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from tests.engine.hand_tokenizers import model, words_vocabulary
from workers.engine.documents.behavior import Behavior
from workers.engine.documents.document import Invalid
from workers.engine.prepare import prompts_of, vocabulary_of
from workers.engine.prompts import GENERATORS, Answer, Extent, Prompt, Refused
from workers.engine.prompts.text import TextSource

ROOT = Path(__file__).parents[2]
WORDS = words_vocabulary("a b c d e f g h")  # a is token 3, b 4, c 5, d 6, e 7, f 8, g 9, h 10
DOCUMENTS = ["a b c d e f", "h g f e d"]


def source(**changes) -> TextSource:
    return TextSource.from_json({"generator": "text", "documents": DOCUMENTS, "length": 4, **changes})


def prompts(number: int, seed: int = 0, vocabulary=WORDS, **changes) -> list[Prompt]:
    return list(islice(GENERATORS["text"].generate(source(**changes), vocabulary, seed), number))


def test_a_prompt_is_bos_and_a_window_and_the_next_token_is_right():
    (prompt,) = prompts(1, documents=["a b c d e"])
    assert prompt.text == "a b c d"
    assert prompt.tokens == (1, 3, 4, 5, 6)
    assert prompt.answers == (Answer(4, right=(7,)),)
    assert prompt.positions == {"START": 1, "MIDDLE": 3, "END": 4}
    assert (prompt.template, prompt.unit) == ("text", "0")


def test_answers_are_read_at_every_token_from_the_stated_one():
    (prompt,) = prompts(1, documents=["a b c d e"], read_from=2)
    assert prompt.answers == (Answer(3, right=(6,)), Answer(4, right=(7,)))


def test_the_last_token_stays_when_the_others_are_shuffled():
    for prompt in prompts(20):
        shuffled = prompt.corrupted["shuffled"]
        assert (shuffled[0], shuffled[-1]) == (prompt.tokens[0], prompt.tokens[-1])
        assert sorted(shuffled) == sorted(prompt.tokens) and shuffled != prompt.tokens


def test_entries_lead_to_the_token_before_and_to_the_very_first_one():
    (prompt,) = prompts(1)
    assert prompt.entries == {
        "previous-token": ((2, 1), (3, 2), (4, 3)),
        "first-token": ((1, 0), (2, 0), (3, 0), (4, 0)),
    }


def test_without_bos_the_very_first_token_is_the_windows_own():
    (prompt,) = prompts(1, vocabulary=words_vocabulary("a b c d e f g h", bos=None))
    assert prompt.positions == {"START": 0, "MIDDLE": 2, "END": 3}
    assert prompt.entries["previous-token"] == prompt.entries["first-token"][:1] + ((2, 1), (3, 2))


def test_every_document_comes_once_before_any_comes_again():
    units = [prompt.unit for prompt in prompts(40)]
    assert all({*units[i : i + 2]} == {"0", "1"} for i in range(0, 40, 2))
    assert units != ["0", "1"] * 20


def test_every_window_comes_before_any_comes_again():
    """Six tokens hold two windows of four with a next token, five hold one."""
    texts = [prompt.text for prompt in prompts(4)]
    assert {*texts} == {"a b c d", "b c d e", "h g f e"}


def test_the_same_seed_gives_the_same_prompts_and_a_longer_draw_begins_with_the_shorter():
    assert prompts(5) == prompts(9)[:5]
    assert len({tuple(prompt.text for prompt in prompts(9, seed)) for seed in range(5)}) == 5


def test_names_draws_and_extent_are_known_from_text_alone():
    generator = GENERATORS["text"]
    names = generator.names(source())
    (prompt,) = prompts(1)
    assert names.positions == {*prompt.positions} and names.entries == {*prompt.entries}
    assert names.corruptions == {*prompt.corrupted} and not names.has_wrong_answers
    assert (generator.draws(source()), generator.unit) == ("seeded", "document")
    assert generator.extent(source(read_from=1)) == Extent(prompts=None, tokens=4, answers=3, layouts=1)


def test_a_document_that_is_too_short_is_named():
    with pytest.raises(Refused, match=r"'h g f e': the document has 4 tokens, .* 4 needs one more .* shorten"):
        prompts(1, documents=["a b c d e f", "h g f e"])


def test_a_word_that_the_tokenizer_lacks_is_named_and_a_long_document_is_not_quoted_whole():
    with pytest.raises(Refused, match="'z' is unknown to the tokenizer") as raised:
        prompts(1, documents=["a b c d " * 500 + "z"])
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"read_from": 4}, "read_from 4 lies behind the window, whose tokens are 0 to 3"),
        ({"documents": ["a b c d e", "a b c d e"]}, "stands twice"),
        ({"documents": ["a" * 150_000, "b" * 50_001]}, "have 200001 characters together; state at most 200000"),
        ({"documents": []}, "at least 1"),
    ],
)
def test_what_fits_no_model_is_refused_at_once(changes, message):
    with pytest.raises(Invalid, match=message):
        source(**changes)


def test_the_stated_stories_are_those_of_the_corpus():
    behavior = Behavior.read((ROOT / "tests/checkpoints/behaviors/little-stories.json").read_text())
    corpus = (ROOT / "fixtures/corpora/little-stories.txt").read_text()
    for stories in behavior.prompts.values():
        assert "\n\n".join(stories.documents) + "\n" == corpus


@pytest.mark.checkpoints
@pytest.mark.parametrize("name", ["stories260K", "tinystories_656k"])
def test_real_tokenizers_give_back_the_text_of_a_window(name):
    tokenizer = Tokenizer.from_file(str(Path(os.environ["CHECKPOINTS"]) / name / "tokenizer.json"))
    behavior = Behavior.read((ROOT / "tests/checkpoints/behaviors/little-stories.json").read_text())
    vocabulary = vocabulary_of(tokenizer, model(tokenizer.get_vocab_size(), positions=128))
    for prompt in islice(prompts_of(behavior.prompts["default"], vocabulary, "5eed"), 20):
        assert len(prompt.tokens) == 33 and [answer.position for answer in prompt.answers] == [*range(17, 33)]
        assert tokenizer.decode(list(prompt.tokens[1:])).replace(" ", "") == prompt.text.replace(" ", "")
        story = vocabulary.encode(behavior.prompts["default"].documents[int(prompt.unit)]).ids
        assert prompt.tokens[1:] + prompt.answers[-1].right in {tuple(story[i : i + 33]) for i in range(len(story))}
