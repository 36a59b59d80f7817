"""Random tokens in which one segment stands twice."""

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.hand_tokenizers import words_vocabulary
from workers.engine.documents.document import Invalid
from workers.engine.prompts import GENERATORS, Prompt, Refused, Vocabulary
from workers.engine.prompts.repeated_tokens import RepeatedTokensSource

VOCABULARY = Vocabulary(size=256, longest=64, bos=0)
LAYOUTS = [{"prefix": 2, "segment": 3, "gap": 1}, {"prefix": 0, "segment": 5}]


def source(**changes) -> RepeatedTokensSource:
    return RepeatedTokensSource.from_json({"generator": "repeated_tokens", "layouts": LAYOUTS, "length": 12, **changes})


def prompts(number: int, seed: int = 0, vocabulary: Vocabulary = VOCABULARY, **changes) -> list[Prompt]:
    return list(islice(GENERATORS["repeated_tokens"].generate(source(**changes), vocabulary, seed), number))


def test_the_layout_is_bos_prefix_segment_gap_segment_and_new_tokens():
    tokens = prompts(1)[0].tokens
    assert tokens[0] == 0
    assert len(tokens) == 13
    assert tokens[3:6] == tokens[7:10]
    assert len(set(tokens)) == 13 - 3


def test_layouts_take_turns_and_name_the_template():
    assert [prompt.template for prompt in prompts(4)] == ["2+3+1", "0+5+0", "2+3+1", "0+5+0"]
    assert prompts(2)[1].tokens[1:6] == prompts(2)[1].tokens[6:11]


def test_the_answers_are_the_second_to_last_tokens_of_the_second_copy():
    (prompt,) = prompts(1)
    assert [(answer.position, answer.right) for answer in prompt.answers] == [
        (7, (prompt.tokens[8],)),
        (8, (prompt.tokens[9],)),
    ]


def test_positions_are_where_the_copies_begin():
    assert prompts(1)[0].positions == {"FIRST": 3, "SECOND": 7, "END": 12}


def test_entries_are_query_and_key():
    entries = prompts(1)[0].entries
    assert entries["induction"] == ((7, 4), (8, 5), (9, 6))
    assert entries["duplicate-token"] == ((7, 3), (8, 4), (9, 5))
    assert entries["previous-token"] == tuple((i, i - 1) for i in range(2, 13))
    assert entries["first-token"] == tuple((i, 0) for i in range(1, 13))


def test_without_bos_everything_stands_one_place_earlier():
    (prompt,) = prompts(1, vocabulary=Vocabulary(size=256, longest=64, bos=None))
    assert prompt.positions == {"FIRST": 2, "SECOND": 6, "END": 11}
    assert prompt.entries["previous-token"][0] == (1, 0)


@given(seed=st.integers(0, 2**256))
def test_in_the_fresh_corruption_nothing_repeats_and_only_the_first_copy_changes(seed):
    (prompt,) = prompts(1, seed)
    fresh = prompt.corrupted["fresh"]
    assert len(set(fresh)) == len(fresh) == len(prompt.tokens)
    assert [i for i in range(13) if fresh[i] != prompt.tokens[i]] == [3, 4, 5]


@given(seed=st.integers(0, 2**256))
def test_only_the_stated_tokens_are_drawn(seed):
    for prompt in prompts(2, seed, tokens={"first": 10, "last": 30}, without=[11, 12]):
        drawn = {*prompt.tokens[1:], *prompt.corrupted["fresh"][1:]}
        assert drawn <= set(range(10, 31)) - {11, 12}


def test_special_tokens_are_never_drawn():
    vocabulary = words_vocabulary("a b c d e f g h i j k l")
    tokens = {token for prompt in prompts(20, vocabulary=vocabulary) for token in prompt.tokens[1:]}
    assert tokens == set(range(3, 15))


def test_the_same_seed_gives_the_same_prompts_and_a_longer_draw_begins_with_the_shorter():
    assert prompts(3, 7) == prompts(6, 7)[:3]
    assert prompts(3, 7) != prompts(3, 8)


def test_without_a_length_prompts_are_as_long_as_their_layouts():
    (prompt,) = prompts(1, length=None, layouts=[{"segment": 4}])
    assert len(prompt.tokens) == 9


def test_the_default_is_one_segment_twice():
    default = RepeatedTokensSource.from_json({"generator": "repeated_tokens"})
    assert [layout.tokens for layout in default.layouts] == [50]


def test_too_few_tokens_are_refused():
    with pytest.raises(Refused, match="prompts of 12 tokens: only 11 may be drawn; allow more or shorten"):
        prompts(1, tokens={"first": 1, "last": 11})


def test_tokens_the_model_lacks_are_refused():
    with pytest.raises(Refused, match="tokens 1 to 256: the model's tokens end at 255"):
        prompts(1, tokens={"first": 1, "last": 256})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"length": 9}, "takes 10 tokens, more than the length 9"),
        ({"length": None}, "state one length"),
        ({"layouts": []}, "at least 1 item"),
        ({"layouts": [{"segment": 1}]}, "greater than or equal to 2"),
        ({"tokens": {"first": 5, "last": 4}}, "before it begins"),
    ],
)
def test_layouts_that_do_not_fit_are_refused_at_save(changes, message):
    with pytest.raises(Invalid, match=message):
        source(**changes)


def test_names_are_known_from_text_alone():
    generator, (prompt,) = GENERATORS["repeated_tokens"], prompts(1)
    names = generator.names(source())
    assert (names.positions, names.corruptions) == (set(prompt.positions), set(prompt.corrupted))
    assert names.entries == set(prompt.entries)
    assert not names.has_wrong_answers
    assert (generator.draws(source()), generator.unit) == ("seeded", "sequence")
