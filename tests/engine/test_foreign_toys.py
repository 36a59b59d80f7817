"""Findings about toy models that others trained, whose truth is known: they are verified, and falsehoods are not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.engine.made_toys import forward
from tests.engine.test_foreign_checkpoints import FINDINGS, claiming, measured, planted, verified
from workers.engine.anatomy import Loaded
from workers.engine.documents.bundle import Bundle, measurement_of
from workers.engine.documents.model import Local
from workers.engine.matching import load
from workers.engine.neighbors import bundle_of
from workers.engine.record import record
from workers.engine.replay import logits

pytestmark = pytest.mark.checkpoints

CHECKPOINT = {  # finding: the folder of its model
    "previous-token-head-and-three-copies": "nanda_induction_2L_attn_only",
    "addition-by-attention": "zhong_clock_modelB",
    "addition-without-attention": "zhong_pizza_modelA",
    "addition-by-heads-and-mlp": "nanda_grok_modadd",
    "one-head-counts-brackets": "arena_brackets",
}
COPIES, CLOCK, PIZZA, ADDITION, BRACKETS = CHECKPOINT
EACH = {"metric": "logit", "over": "each", "components": ["0.0", "0.1.q", "0.1.k", "0.0.v", "0.1.pattern", "attn.0"]}


@pytest.fixture(scope="module", params=CHECKPOINT)
def bundle(request: pytest.FixtureRequest) -> Bundle:
    return bundle_of(FINDINGS / f"{request.param}.json")


@pytest.fixture(scope="module")
def loaded(bundle: Bundle, checkpoints: Path) -> Loaded:
    return load(measurement_of(bundle, bundle.finding.claims[0]).model, [checkpoints], "cpu", "float32")


def test_a_model_is_found_by_the_hash_of_its_weights(bundle: Bundle, loaded: Loaded) -> None:
    assert loaded.folder.name == CHECKPOINT[bundle.finding.slug]
    assert bundle.model.weights == Local(weights_sha256=loaded.weights_sha256)


def test_the_engine_computes_what_the_formulas_give(bundle: Bundle, loaded: Loaded) -> None:
    _, prompts = measured(bundle, loaded, "behavior", {"metric": "logit"})
    config = json.loads((loaded.folder / "config.json").read_text())
    weights = load_file(loaded.folder / "model.safetensors")
    tokens = torch.tensor([prompt.tokens for prompt in prompts])
    expected = forward(config, weights, tokens)
    ours = logits(loaded, record(loaded, tokens).resid[-1])
    assert float((ours - expected).abs().max() / expected.abs().max()) < 1e-5


@pytest.mark.parametrize("ablation", ["mean", "zero", "resample"])
def test_ablations_agree_with_plain_hooks(bundle: Bundle, loaded: Loaded, ablation: str) -> None:
    components = [*EACH["components"], *(["mlp.0", "mlp.0.7"] if loaded.d_mlp else [])]
    numbers, _ = measured(bundle, loaded, "ablation", {**EACH, "components": components, "ablation": ablation})
    sound = numbers.soundness
    assert sound.wrote
    assert sound.oracle_difference is not None and sound.oracle_difference <= sound.noise_floor
    assert sound.null_difference is not None and sound.null_difference <= sound.noise_floor


def test_the_finding_is_verified(
    bundle: Bundle, tmp_path: Path, checkpoints: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = verified(bundle, tmp_path, checkpoints, capsys)
    runnable = [claim.id for claim in bundle.finding.claims if claim.runnable]
    assert {one["id"]: one["verdict"] for one in found["claims"]} == dict.fromkeys(runnable, "holds")
    assert (found["badge"], found["exit"]) == ("verified", 0)


PLANTED = [
    pytest.param(
        COPIES, "previous-token-head-is-needed", {"spec": {"components": ["0.1"]}}, ("fails", "no"), "refuted",
        id="another head of the layer",
    ),
    pytest.param(
        COPIES, "induction-heads-are-needed", {"spec": {"components": ["1.3"]}}, ("fails", "no"), "refuted",
        id="one of three that stand in for each other",
    ),
    pytest.param(
        COPIES, "the-fourth-head-is-idle", {"spec": {"components": ["#induction-heads"]}}, ("fails", None), "refuted",
        id="heads that matter together, called idle",
    ),
    pytest.param(
        COPIES, "the-fourth-head-is-idle", {"spec": {"components": ["1.3"]}}, ("fails", None), "refuted",
        id="a head that matters a little, called idle",
    ),
    pytest.param(
        COPIES,
        "previous-token-head-is-needed",
        {"spec": {"components": ["0.2", "1.0"]}, "nodes": ["0.2", "1.0"]},
        ("holds", "not_testable"),
        "partly_verified",
        id="a passenger",
    ),
    pytest.param(
        PIZZA,
        "queries-and-keys-are-idle",
        {"kind": "effect", "power": [], "spec": {"components": ["0.*.q", "0.*.k"]}, "expect": {"at_most": -0.3}},
        ("fails", "not_testable"),
        "refuted",
        id="attention where there is none",
    ),
    pytest.param(
        CLOCK,
        "queries-are-idle",
        {"spec": {"components": ["0.*.pattern"]}},
        ("fails", None),
        "refuted",
        id="idle patterns that are not",
    ),
    pytest.param(
        BRACKETS, "the-head-is-needed", {"spec": {"components": ["1.1"]}}, ("fails", "no"), "refuted",
        id="an idle head of the bracket classifier",
    ),
    pytest.param(
        BRACKETS,
        "four-heads-can-be-missed",
        {"spec": {"components": ["0.0", "0.1"]}, "power": ["0.0", "0.1", "2.1"]},
        ("fails", None),
        "refuted",
        id="the one head among those that can be missed",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("finding", "claim", "changed", "verdict", "badge"), PLANTED)
def test_a_planted_falsehood_is_not_verified(
    finding: str,
    claim: str,
    changed: dict[str, Any],
    verdict: tuple[str, str | None],
    badge: str,
    tmp_path: Path,
    checkpoints: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = verified(planted(finding, claim, {"essential": True, **changed}), tmp_path, checkpoints, capsys)
    (judged,) = found["claims"]
    assert ((judged["verdict"], judged["specific"]), found["badge"]) == (verdict, badge)


def test_averaging_what_never_changes_is_no_measurement(
    tmp_path: Path, checkpoints: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The pizza's patterns are constant: to write their mean is no edit."""
    bundle = bundle_of(FINDINGS / f"{PIZZA}.json")
    spec = {"metric": "accuracy", "components": ["0.*.pattern"]}
    claim: dict[str, Any] = {"id": "idle", "technique": "ablation", "spec": spec, "kind": "absence"}
    claim["expect"] = {"between": [-0.01, 0.01]}
    (judged,) = verified(claiming(bundle, claim), tmp_path, checkpoints, capsys)["claims"]
    assert judged["verdict"] == "undecided"
    assert "nothing was changed" in json.dumps(judged)
