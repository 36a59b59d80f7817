"""What a run costs at most: by hand on small numbers, and never less than what torch counts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from torch.utils.flop_counter import FlopCounterMode

from tests.engine.made_bundles import PAIRS, RANDOM, a_control, a_measurement
from workers.engine import arms, batches, control, cost, extent, fit, positive_control, replay
from workers.engine.cost import Cost, cost_of, parameters_of, seconds_of, sentence, weights_of
from workers.engine.documents.bundle import control_of, measurement_of
from workers.engine.documents.measurement import Measurement
from workers.engine.documents.model import Dimensions
from workers.engine.extent import arms_of, arms_planned
from workers.engine.loading import Loaded, load_folder
from workers.engine.neighbors import bundle_of
from workers.engine.prepare import prompts_of, vocabulary_of
from workers.engine.prompts import GENERATORS, Extent, unknown
from workers.engine.serve import Request, run
from workers.engine.tokenized import most_tokens
from workers.engine.warm import Warm

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "fixtures" / "models"
FINDINGS = sorted((ROOT / "fixtures" / "findings").glob("*.json"))
TINY = Dimensions(layers=1, heads=1, key_value_heads=1, d_model=2, d_head=2, d_mlp=4, vocabulary=3, positions=4)
HEADS = ["1.0", "1.1", "2.3"]


def of_the_findings() -> Iterator[Measurement]:
    for path in FINDINGS:
        bundle = bundle_of(path)
        for claim in filter(lambda claim: claim.runnable, bundle.finding.claims):
            yield measurement_of(bundle, claim)
            if (controlled := control_of(bundle, claim)) is not None:
                yield controlled


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def loaded(request: pytest.FixtureRequest, random_checkpoints: dict[str, Path]) -> Loaded:
    return load_folder(random_checkpoints[request.param])


def made(loaded: Loaded) -> dict[str, Measurement]:
    """One measurement of every kind of arm and of edit, on a few stated prompts; controls on 64 drawn ones."""
    patching, ablation = "activation_patching", "ablation"
    other: dict[str, Any] = {"corruption": "other"}
    needed, enough = {"at_most": -0.1}, {"at_least": 0.5}
    kept: dict[str, Any] = {"action": "keep_only", "report": "kept"}
    return {
        "behavior": a_measurement(loaded, PAIRS, "behavior"),
        "attention": a_measurement(loaded, PAIRS, "attention_pattern", components=["1.0[END>MIDDLE]"]),
        "group": a_measurement(loaded, PAIRS, ablation, components=HEADS),
        "each": a_measurement(loaded, PAIRS, ablation, components=HEADS, over="each", ablation="resample"),
        "contrast": a_measurement(loaded, PAIRS, ablation, components=["1.0"], contrast=["1.1"]),
        "kept": a_measurement(loaded, PAIRS, ablation, components=HEADS, **kept),
        "given": a_measurement(
            loaded, PAIRS, ablation, components=["2.3"], given=[{"components": ["1.0"], "ablation": "resample"}]
        ),
        "projections": a_measurement(
            loaded, PAIRS, patching, components=["1.0.q", "1.2.k", "2.3.v"], over="each", **other
        ),
        "neurons": a_measurement(loaded, PAIRS, patching, components=["mlp.0.3", "mlp.1.4"], over="each", **other),
        "sets": a_control(loaded, RANDOM, ablation, needed, metric="logit", components=HEADS),
        "sets-of-neurons": a_control(loaded, RANDOM, ablation, needed, metric="logit", components=["mlp.0.3"]),
        "sets-kept": a_control(loaded, RANDOM, ablation, enough, metric="logit", components=HEADS, **kept),
    }


KINDS = [
    "behavior",
    "attention",
    "group",
    "each",
    "contrast",
    "kept",
    "given",
    "projections",
    "neurons",
    "sets",
    "sets-of-neurons",
    "sets-kept",
]


@pytest.mark.parametrize("kind", KINDS)
def test_no_run_computes_more_than_was_estimated(loaded: Loaded, kind: str) -> None:
    measurement = made(loaded)[kind]
    request = Request.from_json({"id": 1, "measurement": measurement.values(), "models": [str(loaded.folder)]})
    warm = Warm()
    warm.load(measurement, [loaded.folder], "cpu", None)
    with FlopCounterMode(display=False) as counter:
        run(request, warm, lambda *_: None)
    computed, estimated = counter.get_total_flops(), cost_of(measurement).operations
    assert computed <= estimated <= 200 * computed


def test_parameters_are_counted_by_hand() -> None:
    """Attention 4 x 2 x 2 + 8 biases, a gated MLP 3 x 2 x 4 + 10 biases, two norms of 4, and the two ends."""
    ends = 3 * 2 + 3 * 2 + 4 * 2 + 2 * 2
    assert parameters_of(TINY) == (16 + 8) + (24 + 10) + 8 + ends


def test_no_model_has_more_parameters_than_its_dimensions_say(loaded: Loaded) -> None:
    real = sum(parameter.numel() for parameter in loaded.model.parameters())
    size = a_measurement(loaded, PAIRS, "behavior").model.dimensions
    assert real <= parameters_of(size) <= 2 * real


def test_weights_are_told_in_whole_mebibytes() -> None:
    gemma = Dimensions(
        layers=42,
        heads=16,
        key_value_heads=8,
        d_model=3584,
        d_head=256,
        d_mlp=14336,
        vocabulary=256_000,
        positions=8192,
    )
    assert (weights_of(gemma, "float32"), weights_of(gemma, "bfloat16"), weights_of(TINY, "float32")) == (
        38_874,
        19_437,
        1,
    )


def test_the_words_say_what_is_multiplied() -> None:
    found = Cost(
        prompts=4096,
        tokens=20,
        edits=9,
        passes=40_000,
        parameters=900_000,
        operations=1.2e12,
        memory=1130,
        overhead=20.0,
    )
    words = "at most 4,096 prompts × 9 edits × 0.9 M parameters, about 1.2 TFLOP and 1.1 GiB of memory"
    assert (sentence(found), found.tera) == (words, 1.2)
    single = replace(found, prompts=1, edits=1, parameters=2_600_000_000, operations=3.4e9)
    assert sentence(single).startswith("at most 1 prompt × 1 edit × 2.6 B parameters, about 3.4 GFLOP")
    assert seconds_of(found, 1e11) == 20.0 + 12.0


def test_a_behavior_on_two_stated_prompts_is_counted_by_hand(loaded: Loaded) -> None:
    """2 prompts of one run each; the checks run all of them three times."""
    measurement = a_measurement(loaded, PAIRS, "behavior")
    number, tokens = len(PAIRS["prompts"]), max(len(one["tokens"]) for one in PAIRS["prompts"])
    found = cost_of(measurement)
    assert (found.prompts, found.edits, found.tokens) == (number, 1, tokens)
    assert found.passes == number * 1 + 3 * 8 * 1
    size = measurement.model.dimensions
    attention = 4 * size.layers * size.heads * size.d_head * tokens**2
    assert found.operations == found.passes * (2 * parameters_of(size) * tokens + attention)


def test_every_arm_that_is_planned_is_counted(loaded: Loaded) -> None:
    measurements = [one for one in (*of_the_findings(), *made(loaded).values()) if one.control is None]
    counted = [arms_planned(one.technique, one.spec) for one in measurements]
    assert counted == [len(list(arms._arms(arms.TECHNIQUES[one.technique], one.spec))) for one in measurements]
    assert len(set(counted)) > 3


def test_values_that_a_record_does_not_keep_are_counted_as_read_again(loaded: Loaded) -> None:
    """Neurons, and q, k and v, for whose edits the attention runs once more for each query head of a group."""
    every = {kind: arms_of(measurement) for kind, measurement in made(loaded).items()}
    again = {kind: found.again for kind, found in every.items() if found.again}
    assert again == {"projections": 3, "neurons": 2, "sets-of-neurons": 1}
    group = loaded.heads // loaded.kv_heads
    assert (every["projections"].attentions, every["group"].attentions) == (1 + group, 1)


def test_as_many_sets_are_counted_as_there_can_be(loaded: Loaded) -> None:
    """In the layers of 1.0 and 2.3 there are but 9 other pairs, in all layers 91; of neurons, 199 are tried."""
    pairs = a_control(loaded, RANDOM, "ablation", {"at_most": -0.1}, metric="logit", components=["1.0", "2.3"])
    assert arms_of(pairs).edited == 1 + 91
    neurons = a_control(loaded, RANDOM, "ablation", {"at_most": -0.1}, metric="logit", components=["mlp.0.3"])
    assert arms_of(neurons).edited == 1 + min(199, neurons.model.dimensions.d_mlp - 1)


@pytest.mark.parametrize("measurement", [*of_the_findings()], ids=lambda measurement: measurement.sha256[7:15])
def test_no_prompt_has_more_tokens_than_was_estimated(measurement: Measurement) -> None:
    model = next(path for path in MODELS.glob("*.json") if measurement.model.weights.weights_sha256 in path.read_text())
    tokenizer = load_folder(MODELS / model.stem).tokenizer
    vocabulary = vocabulary_of(tokenizer, measurement.model)
    drawn = list(islice(prompts_of(measurement.prompts.source, vocabulary, "ab" * 32), 64))
    most, found = max(len(prompt.tokens) for prompt in drawn), extent.prompts_of(measurement)
    assert most <= found.tokens <= 4 * most
    assert max(len(prompt.answers) for prompt in drawn) <= found.answers


def test_a_text_has_a_token_for_every_two_letters_and_every_other_byte() -> None:
    assert most_tokens("When Mary and John went to") == 2 + 2 + 2 + 2 + 2 + 1
    assert most_tokens("Ann's 42, é") == 2 + 1 + 1 + 2 + 1 + 2


def test_the_longest_word_of_a_list_counts_in_every_slot() -> None:
    source = {
        "generator": "template",
        "templates": ["{A} met {B}. {S} gave"],
        "lists": {"short": ["Al"], "long": ["Wilhelmina", "Jo"]},
        "slots": {"A": {"list": "short"}, "B": {"list": "long"}, "S": {"one_of": ["A", "B"]}},
        "answers": {"right": ["{A}"]},
    }
    generator = GENERATORS["template"]
    found = generator.extent(generator.source.from_json(source))
    assert found == Extent(prompts=None, tokens=1 + 2 + 5 + 1 + 5 + 2, answers=1, layouts=4)


def test_a_table_has_as_many_prompts_as_rows_of_its_population() -> None:
    source: dict[str, Any] = {
        "columns": [{"first": 0, "last": 1}, {"first": 0, "last": 1}],
        "sequence": ["$0", "$1", 5],
        "answers": [{"position": "END", "right": ["$0"]}],
        "trained_mask": "e",
    }
    generator = GENERATORS["token_table"]
    sizes = {
        which: generator.extent(generator.source.from_json({**source, "population": which})).prompts
        for which in ("all", "trained", "held_out")
    }
    assert sizes == {"all": 4, "trained": 3, "held_out": 1}


def test_a_source_of_which_nothing_is_known_is_taken_at_its_worst(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.engine.extent.GENERATORS", {"pairs": replace(GENERATORS["pairs"], extent=unknown)})
    found = extent.prompts_of(a_measurement(loaded, PAIRS, "behavior"))
    assert (found.prompts, found.tokens, found.answers, found.fitted, found.layouts) == (4096, 16, 16, 1024, 1024)


def test_the_estimate_goes_by_the_numbers_that_the_engine_goes_by() -> None:
    assert fit.FIT_PROMPTS == extent.FIT_PROMPTS
    assert (arms.MOST_MEMBERS, arms.AT_ONCE) == (extent.MOST_MEMBERS, extent.AT_ONCE)
    assert control.SETS_AT_ONCE == extent.SETS_AT_ONCE
    assert (positive_control.SAMPLE_PROMPTS, positive_control.SAMPLE_ARMS) == (cost.CHECKED_PROMPTS, cost.CHECKED_ARMS)
    assert replay.CPU_BUDGET == cost.IN_FLIGHT


@pytest.mark.parametrize("tokens", [3, 10, 16])
def test_as_many_prompts_ride_in_a_batch_as_were_estimated(loaded: Loaded, tokens: int) -> None:
    size = a_measurement(loaded, PAIRS, "behavior").model.dimensions
    assert cost.prompts_at_once(size, tokens) == batches.prompts_at_once(loaded, tokens)


def test_costs_are_estimated_without_torch() -> None:
    code = "import sys; sys.modules['torch'] = None; import workers.engine.cost"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=120)
