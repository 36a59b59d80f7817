"""Token tables: modular addition and sorting, whole populations."""

from itertools import islice

import pytest

from workers.engine.documents.document import Invalid
from workers.engine.prompts import GENERATORS, Answer, Prompt, Vocabulary
from workers.engine.prompts.token_table import TokenTableSource

VOCABULARY = Vocabulary(size=60, longest=16, bos=None)
ADDITION = {
    "generator": "token_table",
    "columns": [{"first": 0, "last": 4}, {"first": 0, "last": 4}],
    "sequence": ["$0", "$1", 5],
    "answers": [
        {
            "position": "EQUALS",
            "right": [{"add_mod": [0, 1], "modulus": 5}],
            "wrong": [{"add_mod": [0, 1], "modulus": 5, "plus": 2}],
        }
    ],
    "positions": {"A": 0, "B": 1, "EQUALS": 2},
    "corruptions": {"other-a": [{"column": 0, "by": 2}], "next-row": [{"column": None, "by": 1}]},
}
SORTING = {
    "generator": "token_table",
    "columns": [{"first": 0, "last": 2}] * 6,
    "sequence": [*(f"${i}" for i in range(6)), *({"sorted": list(range(6)), "rank": rank} for rank in range(5))],
    "answers": [{"position": 5 + rank, "right": [{"sorted": list(range(6)), "rank": rank}]} for rank in range(6)],
}
BRACKETS = {
    "generator": "token_table",
    "rows": [[3, 3, 4, 4], [3, 4, 4, 3], [3, 4, 3, 4]],
    "sequence": ["$0", "$1", "$2", "$3"],
    "answers": [{"position": "END", "right": [{"table": [1, 0, 1]}], "wrong": [{"table": [0, 1, 0]}]}],
    "corruptions": {"next": [{"column": None, "by": 1}]},
}


def prompts(document=ADDITION, vocabulary: Vocabulary = VOCABULARY, **changes) -> list[Prompt]:
    source = TokenTableSource.from_json({**document, **changes})
    return list(GENERATORS["token_table"].generate(source, vocabulary, 0))


def problems(document=ADDITION, **changes) -> dict[str, str]:
    with pytest.raises(Invalid) as raised:
        TokenTableSource.from_json({**document, **changes})
    return {problem.path: problem.message for problem in raised.value.problems}


def test_a_table_is_run_whole_with_the_last_column_turning_fastest():
    assert [prompt.tokens for prompt in prompts()] == [(a, b, 5) for a in range(5) for b in range(5)]
    assert GENERATORS["token_table"].draws(TokenTableSource.from_json(ADDITION)) == "enumerated"


def test_row_17_asks_for_3_plus_2():
    assert prompts()[17] == Prompt(
        text="3 2 5",
        tokens=(3, 2, 5),
        answers=(Answer(2, right=(0,), wrong=(2,)),),
        corrupted={"other-a": (0, 2, 5), "next-row": (3, 3, 5)},
        positions={"A": 0, "B": 1, "EQUALS": 2, "END": 2},
        template="table",
        unit="17",
    )


def test_shifts_begin_anew_at_the_end():
    last = prompts()[-1]
    assert last.corrupted == {"other-a": (1, 4, 5), "next-row": (0, 0, 5)}


def test_bos_moves_every_place_by_one():
    prompt = prompts(vocabulary=Vocabulary(size=60, longest=16, bos=59))[17]
    assert prompt.tokens == (59, 3, 2, 5)
    assert prompt.answers[0].position == prompt.positions["EQUALS"] == 3
    assert prompt.corrupted["other-a"] == (59, 0, 2, 5)


def test_sorting_six_letters_of_three_has_729_rows():
    rows = prompts(SORTING)
    assert len(rows) == 729
    prompt = next(row for row in rows if row.tokens[:6] == (2, 0, 1, 0, 2, 1))
    assert prompt.tokens == (2, 0, 1, 0, 2, 1, 0, 0, 1, 1, 2)
    assert [answer.position for answer in prompt.answers] == [5, 6, 7, 8, 9, 10]
    assert [answer.right[0] for answer in prompt.answers] == [0, 0, 1, 1, 2, 2]


def test_every_sorted_row_continues_with_its_own_answers():
    for prompt in prompts(SORTING):
        assert [answer.right[0] for answer in prompt.answers] == sorted(prompt.tokens[:6])
        assert prompt.tokens[6:] == tuple(answer.right[0] for answer in prompt.answers[:5])


def test_stated_rows_take_their_answers_from_a_table():
    rows = prompts(BRACKETS)
    assert [row.answers[0] for row in rows] == [Answer(3, (1,), (0,)), Answer(3, (0,), (1,)), Answer(3, (1,), (0,))]
    assert rows[2].corrupted["next"] == (3, 3, 4, 4)


MASK = "f" * 5 + "88"  # rows 0-19, 20 and 24 were trained


def test_a_mask_splits_the_rows_into_trained_and_held_out():
    trained = [int(prompt.unit) for prompt in prompts(trained_mask=MASK, population="trained")]
    held_out = [int(prompt.unit) for prompt in prompts(trained_mask=MASK, population="held_out")]
    assert (trained, held_out) == ([*range(21), 24], [21, 22, 23])


def test_a_population_needs_a_mask_and_a_row():
    assert "needs a trained_mask" in problems(population="trained")["population"]
    assert "no row of the table is held_out" in problems(trained_mask="ffffff8", population="held_out")["population"]


@pytest.mark.parametrize("mask", ["ffff", "fffffff", "ffffff8f"])
def test_a_mask_of_another_size_is_refused(mask):
    assert "25 rows need 7 hex digits" in problems(trained_mask=mask)["trained_mask"]


def test_a_large_table_is_drawn_from_without_repeats():
    columns = [{"first": 0, "last": 199}] * 2
    large = {**ADDITION, "columns": columns, "sequence": ["$0", "$1"], "positions": {"EQUALS": 1}}
    source, generator = TokenTableSource.from_json(large), GENERATORS["token_table"]
    assert generator.draws(source) == "seeded"
    first = list(islice(generator.generate(source, VOCABULARY, 7), 500))
    assert len({prompt.tokens for prompt in first}) == 500
    assert first[:10] == list(islice(generator.generate(source, VOCABULARY, 7), 10))
    assert all(int(prompt.unit) == prompt.tokens[0] * 200 + prompt.tokens[1] for prompt in first)


def test_every_error_of_a_table_is_named_with_its_path():
    found = problems(
        sequence=["$2", "$1", {"sorted": [0, 1], "rank": 2}],
        answers=[{"position": "X", "right": [{"table": [1, 2]}]}],
        positions={"A": 3},
        corruptions={"none": [{"column": 0, "by": 5}], "out": [{"column": 2, "by": 1}]},
    )
    assert set(found) == {
        "sequence.0",
        "sequence.2",
        "answers.0.right.0",
        "answers.0.position",
        "positions.A",
        "corruptions.none",
        "corruptions.out",
    }


def test_a_cell_that_is_no_rule_says_what_to_write():
    assert "a column as $0" in problems(sequence=["$0", {"times": [0, 1]}])["sequence.1"]


def test_a_table_has_either_columns_or_rows():
    assert "either columns or rows" in problems(rows=[[1, 2]])[""]
    assert "either columns or rows" in problems(columns=[])[""]


def test_rows_are_equally_long_and_different():
    assert "different lengths" in problems(BRACKETS, rows=[[3, 4], [3], [4]])["rows"]
    assert "stands twice" in problems(BRACKETS, rows=[[3, 4], [3, 4]])["rows"]


def test_names_are_known_from_text_alone():
    names = GENERATORS["token_table"].names(TokenTableSource.from_json(ADDITION))
    assert (names.positions, names.corruptions) == ({"A", "B", "EQUALS", "END"}, {"other-a", "next-row"})
    assert names.has_wrong_answers
    assert not GENERATORS["token_table"].names(TokenTableSource.from_json(SORTING)).has_wrong_answers
