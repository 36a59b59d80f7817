"""What is refused before anything is measured, each by a prompt that can be read."""

import json
from itertools import islice
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from tests.engine.hand_tokenizers import model, word_tokenizer, words_vocabulary
from workers.engine.documents.behavior import Behavior
from workers.engine.documents.measurement import Measurement
from workers.engine.prepare import prepare, prompts_of, require_this_version, vocabulary_of
from workers.engine.prompts import GENERATORS, Answer, Generator, Names, Prompt, Refused, Source, Vocabulary
from workers.engine.prompts.pairs import PairsSource
from workers.engine.techniques import TECHNIQUES

FIXTURES = Path(__file__).parents[2] / "fixtures"
WORDS = words_vocabulary("The capital of France is Paris Italy Rome")
PAIRS = {
    "generator": "pairs",
    "prompts": [
        {
            "prompt": "The capital of France is",
            "corrupted": {"italy": "The capital of Italy is"},
            "right": ["Paris"],
            "wrong": ["Rome"],
            "positions": {"COUNTRY": {"word": "France"}},
        }
    ],
}
WITHOUT_WRONG = {"generator": "pairs", "prompts": [{"prompt": "The capital of France is", "right": ["Paris"]}]}
REPEATED = {"generator": "repeated_tokens", "layouts": [{"segment": 3}]}
ABLATION = {"metric": "logit_diff", "components": ["0.1"]}
PROB = {**ABLATION, "metric": "prob"}


def measurement(
    technique="ablation", spec=ABLATION, source=PAIRS, fit=None, gate="logit_diff", **changes
) -> Measurement:
    identity = model().values()
    kept = ("weights", "family", "tokenizer_sha256", "bos", "chat_template", "dimensions")

    def part(document):
        return {"source": document, "generator_version": GENERATORS[document["generator"]].version}

    return Measurement.from_json(
        {
            "technique": technique,
            "technique_version": TECHNIQUES[technique].version,
            "spec": spec,
            "prompts": part(source),
            "fit": {name: part(document) for name, document in (fit or {}).items()},
            "gate_metric": gate,
            "model": {name: identity[name] for name in kept},
            **changes,
        }
    )


def refusal(vocabulary: Vocabulary = WORDS, **changes) -> str:
    with pytest.raises(Refused) as raised:
        prepare(measurement(**changes), vocabulary)
    return str(raised.value)


def test_what_can_be_measured_is_not_refused():
    prepare(measurement(spec={**ABLATION, "components": ["0.1@COUNTRY", "mlp.1@COUNTRY+1", "0.0@END"]}), WORDS)
    prepare(measurement(source=REPEATED, gate="accuracy", spec={**ABLATION, "metric": "accuracy"}), WORDS)


def test_another_version_of_a_technique_is_not_taken_for_this_one():
    require_this_version(measurement())
    with pytest.raises(Refused) as raised:
        require_this_version(measurement(technique="ablation", technique_version=1))
    assert str(raised.value) == (
        "the claim was saved for version 1 of ablation, and this engine has version 2: edit its finding, and its "
        "claims are measured by that"
    )


def test_a_position_that_the_prompts_lack_is_named():
    message = refusal(spec={**ABLATION, "components": ["0.1@S2"]})
    assert message == "'The capital of France is': has no position S2, which 0.1@S2 needs; add it to the behavior"


def test_an_offset_that_leaves_the_prompt_is_named():
    assert "END+1 lies outside of it (token 6)" in refusal(spec={**ABLATION, "components": ["0.1@END+1"]})
    assert "COUNTRY-5 lies outside of it" in refusal(spec={**ABLATION, "components": ["0.1@COUNTRY-5"]})


def test_positions_of_the_contrast_and_of_given_edits_are_looked_at_too():
    assert "no position X" in refusal(spec={**ABLATION, "contrast": ["0.0@X"]})
    assert "no position X" in refusal(spec={**ABLATION, "given": [{"components": ["0.0@X"]}]})


def test_an_attention_entry_that_the_prompts_lack_is_named():
    assert "names no attention entries induction, which 0.1[induction] needs" in refusal(
        technique="attention_pattern", spec={"components": ["0.1[induction]"]}, gate=None
    )


def test_a_corruption_that_the_prompts_lack_is_named():
    assert "has no corruption 'abc'" in refusal(spec={**ABLATION, "corruption": "abc"})
    assert "has no corruption 'abc'" in refusal(
        spec={**ABLATION, "given": [{"components": ["0.0"], "corruption": "abc"}]}
    )


def test_prompts_that_means_are_taken_over_are_looked_at_too():
    spec = {**ABLATION, "corruption": "italy", "mean_over": "plain"}
    assert "has no corruption 'italy'" in refusal(spec=spec, fit={"mean_over": WITHOUT_WRONG})


def test_a_metric_that_compares_needs_wrong_answers():
    assert "logit_diff compares with wrong answers" in refusal(source=WITHOUT_WRONG)
    assert "logit_diff compares" in refusal(source=WITHOUT_WRONG, spec={**ABLATION, "metric": "prob"})


def test_another_version_of_the_generator_is_refused():
    part = {"source": PAIRS, "generator_version": 99}
    assert "takes version 99 of pairs, and this engine has version 1" in refusal(prompts=part)


def test_a_prompt_longer_than_the_model_takes_is_refused():
    vocabulary = words_vocabulary("The capital of France is Paris Italy Rome", positions=5)
    assert refusal(vocabulary) == "'The capital of France is': has 6 tokens, and the model takes 5; shorten it"


def test_right_and_wrong_answers_that_begin_alike_are_refused():
    alike = {**PAIRS, "prompts": [{**PAIRS["prompts"][0], "wrong": ["Paris"]}]}
    assert "begin with the same token 8" in refusal(source=alike)


def test_a_token_the_model_lacks_is_refused():
    stated = {"generator": "pairs", "prompts": [{"tokens": [3, 99], "right": [4]}]}
    assert "the model has no token 99; its tokens end at 10" in refusal(source=stated, gate=None, spec=PROB)
    answered = {"generator": "pairs", "prompts": [{"tokens": [3], "right": [99]}]}
    assert "the model has no token 99" in refusal(source=answered, gate=None, spec=PROB)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        (Prompt("a", (1, 2), (Answer(1, (3,)),), corrupted={"x": (1,)}), "has 2 tokens, corrupted by 'x' 1"),
        (Prompt("a", (1, 2), (Answer(1, (3,)),), corrupted={"x": (1, 99)}), "no token 99"),
        (Prompt("a", (1, 2), (Answer(2, (3,)),)), "read at token 2, outside of it"),
        (Prompt("a", (1, 2), (Answer(1, ()),)), "no right token"),
        (Prompt("a", (1, 2), ()), "has no answer to read"),
        (Prompt("a", (1, 2), (Answer(1, (3,)),), positions={"X": 2}), "X lies outside of it"),
        (Prompt("a", (1, 2), (Answer(1, (3,)),), entries={"x": ((1, 2),)}), "x lies outside of it"),
    ],
)
def test_what_no_generator_may_make_is_refused(monkeypatch, prompt, message):
    def of_one(one: Prompt) -> Generator:
        nothing = Names(frozenset(), frozenset(), frozenset(), False)
        return Generator(1, PairsSource, "prompt", lambda _: nothing, lambda _: "stated", lambda *_: iter([one]))

    monkeypatch.setattr("workers.engine.prepare.GENERATORS", {"pairs": of_one(prompt)})
    with pytest.raises(Refused, match=message):
        list(prompts_of(PairsSource.from_json(PAIRS), Vocabulary(10, 5, None), None))


def test_drawn_prompts_need_a_seed():
    source: Source = GENERATORS["repeated_tokens"].source.from_json(REPEATED)
    with pytest.raises(ValueError, match="a seed is needed"):
        next(prompts_of(source, WORDS, None))
    assert list(islice(prompts_of(source, WORDS, "0f"), 2)) == list(islice(prompts_of(source, WORDS, "0f"), 2))


def test_a_vocabulary_knows_what_ordinary_text_does_not_have():
    vocabulary = vocabulary_of(word_tokenizer("a b"), model(size=7))
    assert vocabulary.special == {0, 1, 2, 5, 6}  # special tokens, and two rows of the model without a text
    assert (vocabulary.size, vocabulary.longest, vocabulary.bos) == (7, 32, 1)


def test_control_tokens_are_what_a_chat_template_may_write_and_text_may_not():
    vocabulary = vocabulary_of(word_tokenizer("a b"), model(size=7, chat_template="{{ messages }}"))
    assert (vocabulary.special, vocabulary.control) == ({0, 1, 2, 5, 6}, {0, 1})  # <unk> is no control token
    assert vocabulary.chat is not None
    assert vocabulary_of(None, model(tokenizer=False, chat_template="{{ messages }}")).chat is None


def test_wrong_answers_that_some_prompts_lack_are_left_out_of_all():
    """Else a logit difference would be measured beside, and be no number where there is nothing to take off."""
    source = PairsSource.from_json({**PAIRS, "prompts": [PAIRS["prompts"][0], {**PAIRS["prompts"][0], "wrong": []}]})
    assert [prompt.answers[0].wrong for prompt in prompts_of(source, WORDS, None)] == [(), ()]
    alone = PairsSource.from_json(PAIRS)
    assert [prompt.answers[0].wrong for prompt in prompts_of(alone, WORDS, None)] == [(10,)]


def test_a_tokenizer_that_cuts_off_or_fills_up_does_neither_here():
    tokenizer = word_tokenizer("a b")
    tokenizer.enable_truncation(2)
    tokenizer.enable_padding(length=8)
    assert vocabulary_of(tokenizer, model()).encode("a b a").ids == [3, 4, 3]
    assert tokenizer.truncation["max_length"] == 2


def test_what_a_model_document_cannot_keep_is_refused():
    with pytest.raises(Refused, match="BOS is token 50, but its tokens end at 49"):
        vocabulary_of(None, model(tokenizer=False, bos=50))
    with pytest.raises(Refused, match="states a tokenizer, and none was found"):
        vocabulary_of(None, model())


def shipped(name: str) -> Vocabulary:
    """The vocabulary of a shipped model, as its document will state it."""
    folder = FIXTURES / "models" / name
    config = json.loads((folder / "config.json").read_text())
    file = folder / "tokenizer.json"
    tokenizer = Tokenizer.from_file(str(file)) if file.exists() else None
    bos = None if name == "modular-addition" else config["bos_token_id"]
    return vocabulary_of(tokenizer, model(config["vocab_size"], config["n_positions"], tokenizer is not None, bos))


@pytest.mark.parametrize(
    ("behavior", "name"),
    [
        ("induction", "induction-2l"),
        ("ioi", "ioi-mini-0"),
        ("ioi", "ioi-mini-1"),
        ("modular-addition", "modular-addition"),
    ],
)
def test_a_shipped_behavior_can_be_run_on_its_model(behavior, name):
    document = Behavior.read((FIXTURES / "behaviors" / f"{behavior}.json").read_text())
    for source in document.prompts.values():
        first = list(islice(prompts_of(source, shipped(name), "5eed"), 500))
        again = type(source).read(source.text)
        assert list(islice(prompts_of(again, shipped(name), "5eed"), 500)) == first
        assert len({prompt.tokens for prompt in first}) == 500


def test_the_held_out_rows_of_modular_addition_are_those_that_were_not_trained():
    behavior = Behavior.read((FIXTURES / "behaviors" / "modular-addition.json").read_text())
    trained = set(json.loads((FIXTURES / "models" / "modular-addition" / "trained_rows.json").read_text()))
    rows = {
        name: {int(prompt.unit) for prompt in prompts_of(source, shipped("modular-addition"), None)}
        for name, source in behavior.prompts.items()
    }
    assert rows == {"default": {*range(59 * 59)}, "trained": trained, "held-out": {*range(59 * 59)} - trained}


def test_the_pairs_of_ioi_are_those_that_were_not_trained():
    behavior = Behavior.read((FIXTURES / "behaviors" / "ioi.json").read_text())
    held_out = json.loads((FIXTURES / "models" / "ioi-mini-heldout-pairs.json").read_text())
    for source in behavior.values()["prompts"].values():
        assert source["pairs"][0]["allowed"] == held_out
