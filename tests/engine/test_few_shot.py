"""Examples in the prompt, on words whose tokens can be counted by hand."""

import os
from itertools import islice
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from tests.engine.hand_tokenizers import model, pieces_vocabulary, words_vocabulary
from workers.engine.documents.behavior import Behavior
from workers.engine.documents.document import Invalid
from workers.engine.prepare import prompts_of, vocabulary_of
from workers.engine.prompts import GENERATORS, Extent, Prompt, Refused
from workers.engine.prompts.few_shot import FewShotSource

BEHAVIORS = Path(__file__).parents[1] / "checkpoints" / "behaviors"
OPPOSITES = {"hot": "cold", "big": "small", "up": "down", "old": "new", "wet": "dry"}
TEXT = "Q A : hot cold big small up down old new wet dry Opposites"
SPELT = ["<pad>", "<s>", "<unk>", *TEXT.split()]
WORDS = words_vocabulary(TEXT, positions=64)
EXAMPLE = "Q : {INPUT} A : {OUTPUT} "


def table(pairs: dict[str, str]) -> list[dict[str, str]]:
    return [{"input": one, "output": other} for one, other in pairs.items()]


def source(**changes) -> FewShotSource:
    stated = {"generator": "few_shot", "pairs": table(OPPOSITES), "shots": 2, "example": EXAMPLE}
    return FewShotSource.from_json({**stated, **changes})


def prompts(number: int, seed: int = 0, vocabulary=WORDS, **changes) -> list[Prompt]:
    return list(islice(GENERATORS["few_shot"].generate(source(**changes), vocabulary, seed), number))


def spelt(tokens) -> list[str]:
    return [SPELT[token] for token in tokens]


def problems(**changes) -> dict[str, str]:
    with pytest.raises(Invalid) as raised:
        source(**changes)
    return {problem.path: problem.message for problem in raised.value.problems}


def test_a_prompt_is_its_shots_and_a_question():
    for prompt in prompts(20, instruction="Opposites : "):
        one, other, asked = (spelt(prompt.tokens)[i] for i in (5, 11, 17))
        shots = f"Q : {one} A : {OPPOSITES[one]} Q : {other} A : {OPPOSITES[other]}"
        assert prompt.text == f"Opposites : {shots} Q : {asked} A :"
        assert spelt(prompt.answers[0].right) == [OPPOSITES[asked]]
        assert len({one, other, asked}) == 3


def test_wrong_is_another_pairs_output():
    for prompt in prompts(20):
        (wrong,) = spelt(prompt.answers[0].wrong)
        assert wrong in OPPOSITES.values() and wrong not in spelt(prompt.answers[0].right)


def test_wrong_does_not_begin_as_right_does():
    """Of "today" and "tonight" the first token is the same: for each of them "out" and "up" are wrong."""
    vocabulary = pieces_vocabulary("Q A : a b c d to ##day ##night up ou ##t")
    pairs = table({"a": "today", "b": "tonight", "c": "out", "d": "up"})
    for prompt in prompts(20, vocabulary=vocabulary, pairs=pairs, scoring="first_token", corruptions=[]):
        assert prompt.answers[0].right != prompt.answers[0].wrong


def test_positions_are_those_of_the_inputs_and_outputs():
    (prompt,) = prompts(1)
    assert prompt.positions == {"INPUT1": 3, "OUTPUT1": 6, "INPUT2": 9, "OUTPUT2": 12, "INPUT": 15, "END": 17}
    assert prompt.answers[0].position == 17 == len(prompt.tokens) - 1


def test_shuffled_labels_are_the_same_words_and_none_at_its_place():
    for prompt in prompts(20, shots=3):
        corrupted = prompt.corrupted["shuffled-labels"]
        outputs = [prompt.positions[f"OUTPUT{number}"] for number in (1, 2, 3)]
        changed = [i for i, (a, b) in enumerate(zip(prompt.tokens, corrupted, strict=True)) if a != b]
        assert changed == outputs
        assert sorted(corrupted) == sorted(prompt.tokens)


def test_labels_are_exchanged_for_ones_of_equally_many_tokens():
    vocabulary = pieces_vocabulary("Q A : a b c d in ##to on ##ward ou ##t up")
    pairs = table({"a": "into", "b": "onward", "c": "out", "d": "up"})
    for prompt in prompts(20, vocabulary=vocabulary, pairs=pairs, scoring="first_token"):
        assert " : up " not in prompt.text
        assert len(prompt.corrupted["shuffled-labels"]) == len(prompt.tokens)
        assert prompt.template.endswith("/3,6-7,10,13-14,17/20")


def test_labels_that_cannot_be_exchanged_are_refused_with_what_to_change():
    vocabulary = pieces_vocabulary("Q A : a b c in ##to up")
    pairs = table({"a": "into", "b": "up", "c": "up"})
    with pytest.raises(Refused, match=r"'a', 'b', ...: no 2 shots were found .* state no corruption"):
        prompts(1, vocabulary=vocabulary, pairs=pairs, scoring="first_token")
    (prompt,) = prompts(1, vocabulary=vocabulary, pairs=pairs, scoring="first_token", corruptions=[])
    assert prompt.corrupted == {}


def test_a_task_may_be_asked_without_shots():
    (prompt,) = prompts(1, shots=0, corruptions=[])
    assert spelt(prompt.tokens)[:3] == ["<s>", "Q", ":"] and len(prompt.tokens) == 6
    assert {*prompt.positions} == {"INPUT", "END"}


def test_a_sequence_is_read_token_by_token_behind_the_prompt():
    vocabulary = pieces_vocabulary("Q A : a b c in ##to on ##ward ou ##t")
    pairs = table({"a": "into", "b": "onward", "c": "out"})
    (prompt,) = prompts(1, vocabulary=vocabulary, pairs=pairs, scoring="sequence")
    end = prompt.positions["END"]
    assert [answer.position for answer in prompt.answers] == [end, end + 1]
    assert prompt.tokens[end + 1 :] == prompt.answers[0].right == prompt.corrupted["shuffled-labels"][end + 1 :]
    assert not GENERATORS["few_shot"].names(source(scoring="sequence")).has_wrong_answers


def test_the_same_seed_gives_the_same_prompts_and_a_longer_draw_begins_with_the_shorter():
    assert prompts(10) == prompts(20)[:10]
    assert len({tuple(prompt.text for prompt in prompts(10, seed)) for seed in range(5)}) == 5


def test_all_ways_of_asking_come_before_one_comes_again():
    """Three pairs make six orders."""
    vocabulary = words_vocabulary(TEXT, positions=64)
    pairs = table({"hot": "cold", "big": "small", "up": "down"})
    assert len({prompt.text for prompt in prompts(6, vocabulary=vocabulary, pairs=pairs)}) == 6


def test_names_draws_and_extent_are_known_from_text_alone():
    generator, (prompt,) = GENERATORS["few_shot"], prompts(1)
    names = generator.names(source())
    assert names.positions == {*prompt.positions} and names.corruptions == {*prompt.corrupted}
    assert names.has_wrong_answers and generator.draws(source()) == "seeded"
    shot = (1 + 1) + (1 + 1) + 2 + 3  # Q, A, two colons, of "hot" two tokens at most and of "small" three
    assert generator.extent(source()) == Extent(prompts=None, tokens=3 * shot, answers=1, layouts=None)


@pytest.mark.parametrize(
    ("changes", "path", "message"),
    [
        ({"example": "Q : {INPUT} "}, "example", "write {INPUT} once and, behind it, {OUTPUT} once"),
        ({"example": "{OUTPUT} of {INPUT}"}, "example", "write {INPUT} once"),
        ({"example": "{INPUT}={OUTPUT}"}, "prefix", "has no ' ' before its output"),
        ({"shots": 5}, "pairs", "5 pairs for 5 shots and a question; state more"),
        ({"pairs": [*table(OPPOSITES), *table({"hot": "x"})]}, "pairs.5", "'hot' stands in an earlier pair too"),
        ({"pairs": table(dict.fromkeys("abc", "x"))}, "pairs", "all outputs are the same"),
        ({"shots": 1}, "corruptions", "exchanged among two shots at least"),
    ],
)
def test_what_fits_no_model_is_refused_at_once(changes, path, message):
    assert message in problems(**changes)[path]


@pytest.mark.checkpoints
@pytest.mark.parametrize(("name", "prefix"), [("stories260K", " "), ("tinystories_656k", "")])
def test_real_tokenizers_take_the_space_on_either_side(name, prefix):
    tokenizer = Tokenizer.from_file(str(Path(os.environ["CHECKPOINTS"]) / name / "tokenizer.json"))
    vocabulary = vocabulary_of(tokenizer, model(tokenizer.get_vocab_size(), positions=128))
    stated = Behavior.read((BEHAVIORS / "the-same-animal.json").read_text()).prompts["default"]
    for prompt in islice(prompts_of(stated.model_copy(update={"prefix": prefix}), vocabulary, "5eed"), 20):
        changed = prompt.corrupted["shuffled-labels"]
        assert len(prompt.tokens) == len(changed)
        assert all(prompt.tokens[i] == changed[i] for name, i in prompt.positions.items() if "INPUT" in name)
        assert prompt.text.endswith(". The" if prefix else ". The ")
