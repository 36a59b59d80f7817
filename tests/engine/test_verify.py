"""Verify, on a shipped model whose induction heads are known: what is true holds, and what is false does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.engine.made_bundles import bundle_document
from workers.engine.__main__ import main
from workers.engine.documents.bundle import Bundle
from workers.engine.loading import load_folder
from workers.engine.neighbors import bundle_of, pinned
from workers.engine.verify import Verification, verify

FIXTURES = Path(__file__).parents[2] / "fixtures"
MODELS = FIXTURES / "models"
REPEATED = {
    "generator": "repeated_tokens",
    "layouts": [{"segment": 10, "gap": 3}, {"prefix": 3, "segment": 10}],
    "length": 30,
}
CIRCUIT = {
    "nodes": [{"component": "1.2"}, {"component": "1.5"}],
    "groups": {"induction": ["1.2", "1.5"], "passenger": ["1.2", "1.5", "1.0"]},
}
GATED = {"metric": "accuracy", "chance": 0.01, "threshold": 0.5}
NEEDED = {
    "id": "needed",
    "technique": "ablation",
    "essential": True,
    "spec": {"metric": "accuracy", "components": ["#induction"]},
    "expect": {"at_most": -0.5},
}


def a_bundle(*claims: dict, circuit: dict = CIRCUIT, **behavior) -> Bundle:
    loaded = load_folder(MODELS / "induction-2l")
    return bundle_document(loaded, REPEATED, claims, 0, circuit=circuit, **{**GATED, **behavior})


def verified(bundle: Bundle, only: str | None = None) -> Verification:
    return verify(bundle, [FIXTURES], "cpu", lambda words: lambda done, total, doing: None, only)


def changed(claim: dict, **fields) -> dict:
    return {**claim, "spec": {**claim["spec"], **fields.pop("spec", {})}, **fields}


def test_the_induction_heads_are_verified() -> None:
    bundle = a_bundle(
        NEEDED,
        {"id": "does-it", "technique": "behavior", "spec": {"metric": "accuracy"}, "expect": {"at_least": 0.9}},
        {
            "id": "looks-back",
            "technique": "attention_pattern",
            "spec": {"components": ["1.2[induction]", "1.5[induction]"]},
            "expect": {"at_least": 0.5},
        },
        changed(
            NEEDED,
            id="others",
            kind="absence",
            essential=False,
            spec={"components": ["1.0", "1.1"]},
            expect={"between": [-0.05, 0.05]},
        ),
    )
    found = verified(bundle)
    assert {one.claim.id: one.verdict.outcome for one in found.claims} == {
        "needed": "holds",
        "does-it": "holds",
        "looks-back": "holds",
        "others": "holds",
    }
    assert (found.badge.state, found.exit_status, found.made_seeds) == ("verified", 0, True)
    assert found.claims[0].verdict.specific == "yes"
    assert found.claims[3].verdict.control.broke_the_bound


def test_wrong_heads_are_refuted() -> None:
    found = verified(a_bundle(changed(NEEDED, spec={"components": ["1.0", "1.1"]})))
    assert found.claims[0].verdict.outcome == "fails"
    assert (found.badge.state, found.exit_status) == ("refuted", 1)


def test_right_heads_with_a_wrong_number_fail() -> None:
    found = verified(a_bundle(changed(NEEDED, expect={"value": -0.5, "tolerance": 0.1})))
    assert (found.claims[0].verdict.outcome, found.badge.state) == ("fails", "refuted")


def test_a_claim_that_any_heads_satisfy_is_not_verified() -> None:
    any_heads = changed(NEEDED, spec={"components": ["1.0", "1.1"], "report": "raw"}, expect={"at_least": 0.5})
    found = verified(a_bundle(any_heads))
    assert found.claims[0].verdict.specific == "no" or found.claims[0].verdict.vacuous
    assert found.badge.state != "verified"


def test_an_expectation_that_nothing_meets_too_is_vacuous() -> None:
    found = verified(a_bundle(changed(NEEDED, expect={"at_most": 0.5})))
    assert found.claims[0].verdict.vacuous
    assert found.badge.state != "verified"


def test_a_behavior_the_model_does_not_have_is_undecided() -> None:
    found = verified(a_bundle(NEEDED, metric="logprob", chance=1e-7, threshold=0.5))
    assert found.claims[0].verdict.outcome == "undecided"
    assert "does not show the behavior" in found.claims[0].verdict.reason
    assert (found.badge.state, found.exit_status) == ("undecided", 2)


def test_a_passenger_in_a_good_group_is_not_covered() -> None:
    circuit = {**CIRCUIT, "nodes": [*CIRCUIT["nodes"], {"component": "1.0"}]}
    found = verified(a_bundle(changed(NEEDED, spec={"components": ["#passenger"]}), circuit=circuit))
    assert found.claims[0].verdict.outcome == "holds"
    assert found.badge.nodes["1.0"] == "in_covered_group_not_shown"
    assert found.badge.state == "partly_verified"


def test_nothing_causal_verifies_nothing() -> None:
    claim = {"id": "does-it", "technique": "behavior", "spec": {"metric": "accuracy"}, "expect": {"at_least": 0.9}}
    found = verified(a_bundle(claim))
    assert (found.claims[0].verdict.outcome, found.badge.state) == ("holds", "undecided")


def test_an_intervention_that_changes_nothing_is_undecided() -> None:
    """The first token has nothing but itself to attend to: on prompts that begin alike a head writes the same there."""
    claim = {
        "id": "nothing",
        "technique": "ablation",
        "spec": {"metric": "accuracy", "components": ["0.0@FIRST-1"]},
        "expect": {"at_most": -0.5},
    }
    loaded = load_folder(MODELS / "induction-2l")
    prompts = {"generator": "repeated_tokens", "layouts": [{"segment": 10, "gap": 3}]}
    found = verified(bundle_document(loaded, prompts, [claim], 0, circuit=CIRCUIT, **GATED))
    assert found.claims[0].verdict.outcome == "undecided"
    assert "nothing was changed" in found.claims[0].verdict.reason
    assert found.badge.state == "undecided"


def test_what_cannot_be_measured_is_told_beside_its_claim() -> None:
    beyond = changed(NEEDED, id="beyond", spec={"components": ["1.2@END+1"]})
    found = verified(a_bundle(NEEDED, beyond))
    assert found.claims[0].verdict.outcome == "holds"
    assert found.claims[1].verdict is None
    assert "END+1 lies outside" in found.claims[1].refused
    assert found.exit_status == 3


def test_published_seeds_are_used_and_none_is_made() -> None:
    from workers.engine.documents.bundle import measurement_of

    bundle = a_bundle(NEEDED)
    measurement = measurement_of(bundle, bundle.finding.claims[0])
    seeds = {measurement.sha256: {"1": "ab" * 32}}
    found = verified(bundle.model_copy(update={"seeds": seeds}))
    assert [numbers.seed for numbers in found.claims[0].draws][1] == "ab" * 32
    assert not found.made_seeds


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A finding in findings/, its neighbors in behaviors/ and models/."""
    bundle = a_bundle(NEEDED)
    written = {
        "behaviors/task.json": bundle.behavior.values(),
        "models/small.json": bundle.model.values(),
        "findings/induction.json": bundle.finding.values(),
    }
    for name, values in written.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps(values))
    return tmp_path


def test_a_finding_finds_its_neighbors_in_its_folder(folder: Path) -> None:
    assert bundle_of(folder / "findings" / "induction.json") == a_bundle(NEEDED)


def test_pin_writes_the_revisions_of_the_neighbors(folder: Path) -> None:
    file, model = folder / "findings" / "induction.json", folder / "models" / "small.json"
    model.write_text(model.read_text().replace("A small model", "Another title"))
    assert main(["verify", str(file), "--models", str(FIXTURES)]) == 3
    assert main(["pin", str(file)]) == 0
    assert bundle_of(file).model.title == "Another title"
    assert file.read_text() == pinned(file)


def test_the_command_prints_each_claim_and_the_badge(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(folder / "findings" / "induction.json"), "--models", str(FIXTURES)]) == 0
    said = capsys.readouterr().out
    for words in (
        "needed: ",
        "expected     at most -0.5",
        "measured     -",
        "draw 0",
        "draw 1",
        "random sets",
        "HOLDS",
    ):
        assert words in said
    assert "it would be: verified" in said


def test_for_machines_it_is_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(folder / "findings" / "induction.json")
    assert main(["verify", file, "--models", str(FIXTURES), "--json", "--claim", "needed"]) == 0
    (claim,) = json.loads(capsys.readouterr().out)["claims"]
    assert (claim["verdict"], claim["specific"]) == ("holds", "yes")
    low, high = claim["interval"]
    assert low < claim["measured"] < high < -0.5


def test_models_may_stand_in_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = str(folder / "findings" / "induction.json")
    assert main(["verify", file]) == 3
    monkeypatch.setenv("MODELS", f"{folder}:{FIXTURES}")
    assert main(["verify", file]) == 0


def test_a_sweep_prints_a_row_for_each_component(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = '{"metric": "logprob", "components": ["*.*"], "over": "each"}'
    file = str(folder / "findings" / "induction.json")
    asked = ["measure", file, "--technique", "ablation", "--spec", spec, "--models", str(FIXTURES), "--prompts", "20"]
    assert main(asked) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 18
    assert {line.split()[0] for line in lines[-4:-2]} == {"1.2", "1.5"}
    assert all("q = " in line for line in lines[:16])


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["verify", "nowhere.json"], "no such file"),
        (["schema", "circuit"], "no kind of document"),
        (["measure", "--technique", "ablation", "--spec", "{}"], "--behavior and --model"),
    ],
)
def test_what_cannot_run_ends_with_three_and_one_clear_line(asked, said, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(asked) == 3
    assert said in capsys.readouterr().err


def test_the_schema_of_every_kind_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    for kind in ("behavior", "model", "role", "finding"):
        assert main(["schema", kind]) == 0
        assert json.loads(capsys.readouterr().out)["type"] == "object"
