"""What every run does: looks, arms, the positive control, and the same numbers every time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.made_bundles import PAIRS, RANDOM, a_claim, a_measurement, bundle_document
from workers.engine.anatomy import Loaded
from workers.engine.documents.bundle import measurement_of
from workers.engine.judge import LOOKS, Gate, Stake
from workers.engine.loading import load_folder
from workers.engine.matching import Mismatch, load
from workers.engine.measuring import job, measure
from workers.engine.numbers import Numbers
from workers.engine.prompts import Refused
from workers.engine.sampling import seed_of

INDUCTION = Path(__file__).parents[2] / "fixtures" / "models" / "induction-2l"
SEED = "ab" * 32
TABLE = {
    "generator": "token_table",
    "columns": [{"first": 1, "last": 4}, {"first": 1, "last": 5}],
    "sequence": ["$0", "$1", 0],
    "answers": [{"position": "END", "right": ["$0"], "wrong": [9]}],
}


@pytest.fixture(scope="module")
def induction() -> Loaded:
    return load_folder(INDUCTION)


@pytest.fixture(scope="module")
def gpt2(random_checkpoints) -> Loaded:
    return load_folder(random_checkpoints["gpt2"])


def silent(done: int, total: int, words: str) -> None: ...


def run(loaded: Loaded, prompts, technique: str, draw: int = 0, seed=None, stakes=(), bos=None, number=None, **spec):
    measurement = a_measurement(loaded, prompts, technique, bos, **spec)
    return measure(job(measurement, draw, loaded), seed, stakes, silent, number)


def stake(loaded: Loaded, prompts, expect, technique: str = "ablation", **spec) -> tuple[Stake, Gate]:
    bundle = bundle_document(loaded, prompts, [a_claim(technique, expect, **spec)], bos=0)
    claim = bundle.finding.claims[0]
    return Stake(technique, measurement_of(bundle, claim).spec, claim.expect, claim.kind), Gate("logit", -1e3, -999.0)


def accuracy_of_induction(loaded: Loaded, expect, draw: int = 0, seed=None) -> Numbers:
    spec = {"metric": "accuracy", "report": "raw", "components": ["1.2", "1.5"]}
    prompts = {"generator": "repeated_tokens", "layouts": [{"segment": 10, "gap": 3}]}
    stakes = [stake(loaded, prompts, one, **spec) for one in expect]
    return run(loaded, prompts, "ablation", draw, seed, stakes, 0, **spec)


def test_a_draw_stops_at_the_first_look_that_decides_every_stake(induction: Loaded) -> None:
    clear = {"at_most": 0.5}
    numbers = accuracy_of_induction(induction, [clear, {"at_least": 0.9}])
    assert (numbers.looks, numbers.planned_looks, len(numbers.prompts)) == ((64,), len(LOOKS), 64)
    assert max(numbers.edited[0].arm["accuracy"]) < 0.5 < min(numbers.clean["accuracy"])


def test_a_draw_goes_on_while_a_stake_is_undecided_and_keeps_its_first_prompts(induction: Loaded) -> None:
    short = accuracy_of_induction(induction, [{"at_most": 0.5}])
    middle = sum(short.edited[0].arm["accuracy"]) / 64
    near = accuracy_of_induction(induction, [{"at_most": 0.5}, {"at_most": middle + 1e-4}])
    assert near.looks[:2] == (64, 256)
    assert near.prompts[:64] == short.prompts
    assert near.edited[0].arm["accuracy"][:64] == short.edited[0].arm["accuracy"]


def test_the_public_draw_is_the_same_every_time_and_a_fresh_one_is_another(induction: Loaded) -> None:
    once, again = (accuracy_of_induction(induction, [{"at_most": 0.5}]) for _ in range(2))
    fresh = accuracy_of_induction(induction, [{"at_most": 0.5}], draw=1, seed=SEED)
    assert once == again
    assert fresh.seed == SEED
    assert not {prompt.hash for prompt in fresh.prompts} & {prompt.hash for prompt in once.prompts}


def test_a_fresh_draw_without_a_seed_is_refused(gpt2: Loaded) -> None:
    with pytest.raises(Refused, match="needs a seed"):
        seed_of(a_measurement(gpt2, RANDOM, "behavior", metric="logit"), 1, None)


def test_stated_prompts_are_measured_once_whole_without_a_seed(gpt2: Loaded) -> None:
    numbers = run(gpt2, PAIRS, "behavior")
    assert (numbers.population, numbers.seed, numbers.looks, numbers.planned_looks) == ("stated", None, (3,), 1)


def test_an_enumerated_population_is_measured_once_whole(gpt2: Loaded) -> None:
    numbers = run(gpt2, TABLE, "ablation", components=["1.2"])
    assert (numbers.population, numbers.seed, numbers.looks, numbers.planned_looks) == ("enumerated", None, (20,), 1)


def test_prompts_of_different_lengths_come_back_in_their_order(gpt2: Loaded) -> None:
    longer = {"tokens": [0, 2, 1, 2, 0, 1, 1, 2], "right": [1], "wrong": [0]}
    plain = [{key: prompt[key] for key in ("tokens", "right", "wrong")} for prompt in PAIRS["prompts"]]
    mixed = [plain[0], longer, plain[1]]
    together = run(gpt2, {**PAIRS, "prompts": mixed}, "ablation", components=["1.2"], ablation="zero")
    for index, prompt in enumerate(mixed):
        alone = run(gpt2, {**PAIRS, "prompts": [prompt]}, "ablation", components=["1.2"], ablation="zero")
        assert together.edited[0].arm["logit_diff"][index] == pytest.approx(
            alone.edited[0].arm["logit_diff"][0], abs=1e-5
        )


def test_each_component_is_an_arm_of_its_own_and_a_group_is_one_with_members(gpt2: Loaded) -> None:
    each = run(gpt2, PAIRS, "ablation", components=["1.2", "0.1"], over="each")
    group = run(gpt2, PAIRS, "ablation", components=["1.2", "0.1", "mlp.2"])
    assert [arm.components for arm in each.edited] == [("0.1",), ("1.2",)]
    assert each.members == ()
    assert [arm.components for arm in group.edited] == [("0.1", "1.2", "mlp.2")]
    assert [arm.components for arm in group.members] == [("1.2", "mlp.2"), ("0.1", "mlp.2"), ("0.1", "1.2")]


def test_beside_the_claimed_metric_others_are_kept_where_they_can_be_computed(gpt2: Loaded) -> None:
    assert set(run(gpt2, PAIRS, "behavior", metric="rank").clean) == {"rank", "logit_diff", "prob", "kl"}
    without_wrong = run(gpt2, RANDOM, "behavior", metric="accuracy", number=5)
    assert set(without_wrong.clean) == {"accuracy", "prob", "kl"}
    assert max(map(abs, without_wrong.clean["kl"])) < 1e-6


def test_the_gate_is_the_behaviors_own_metric_on_the_untouched_prompts(gpt2: Loaded) -> None:
    given = [{"components": ["0.1"], "ablation": "zero"}]
    numbers = run(gpt2, PAIRS, "ablation", components=["1.2"], metric="prob", given=given)
    assert numbers.gate == pytest.approx(run(gpt2, PAIRS, "behavior", metric="logit").clean["logit"])
    assert run(gpt2, PAIRS, "behavior").gate is None


def test_the_corrupted_arm_is_measured_wherever_a_corruption_is_named(gpt2: Loaded) -> None:
    assert run(gpt2, PAIRS, "ablation", components=["1.2"]).corrupted is None
    numbers = run(gpt2, PAIRS, "ablation", components=["1.2"], corruption="other")
    patched = run(gpt2, PAIRS, "activation_patching", components=["1.2"], corruption="other")
    assert numbers.corrupted == patched.corrupted
    assert (numbers.base, patched.base) == ("clean", "corrupted")


def test_the_positive_control_holds_on_a_sound_run(model: Loaded) -> None:
    sound = run(model, PAIRS, "ablation", components=["1.2", "mlp.0"]).soundness
    assert sound.wrote
    assert sound.largest_change > 0
    assert sound.null_difference <= sound.noise_floor
    assert sound.oracle_difference <= sound.noise_floor
    assert sound.oracle_prompts == 3


def test_an_edit_that_writes_what_is_there_changed_nothing(gpt2: Loaded) -> None:
    alone = {**PAIRS, "prompts": PAIRS["prompts"][:1]}  # the mean over one prompt is that prompt's own value
    sound = run(gpt2, alone, "ablation", components=["1.2"]).soundness
    assert sound.wrote
    assert sound.largest_change == 0.0


def test_of_several_edits_the_one_that_changed_least_counts(gpt2: Loaded) -> None:
    each = run(gpt2, PAIRS, "activation_patching", components=["1.2@END", "1.2@END-5"], corruption="other", over="each")
    assert each.soundness.largest_change == pytest.approx(0.0, abs=1e-6)


def test_techniques_that_edit_nothing_say_so(gpt2: Loaded) -> None:
    for technique, spec in (("behavior", {}), ("attention_pattern", {"components": ["1.2[END>END]"]})):
        sound = run(gpt2, PAIRS, technique, **spec).soundness
        assert (sound.largest_change, sound.null_difference) == (None, None)
        assert sound.oracle_difference <= sound.noise_floor


def test_the_environment_names_the_weights_and_the_command(gpt2: Loaded) -> None:
    measurement = a_measurement(gpt2, PAIRS, "behavior")
    environment = measure(job(measurement, 0, gpt2, "a command"), None, (), silent).environment
    assert environment.weights_sha256 == gpt2.weights_sha256
    assert environment.command == "a command"
    assert environment.dtype == "float32"


def test_weights_that_are_not_as_documented_are_refused(gpt2: Loaded) -> None:
    identity = a_measurement(gpt2, PAIRS, "behavior").model
    assert load(identity, [gpt2.folder.parent], "cpu", "float32").weights_sha256 == gpt2.weights_sha256
    wrong = identity.model_copy(update={"dimensions": identity.dimensions.model_copy(update={"heads": 8})})
    with pytest.raises(Mismatch, match="heads is 4, documented as 8"):
        load(wrong, [gpt2.folder.parent], "cpu", "float32")
