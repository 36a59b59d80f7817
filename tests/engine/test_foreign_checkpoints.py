"""Models that others trained, under tests/checkpoints: found by their hashes, run rightly, and one finding each.

The findings were written by hand after looking at other prompts than those they are judged on here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from workers.engine.__main__ import main
from workers.engine.anatomy import Loaded
from workers.engine.documents.bundle import Bundle, measurement_of
from workers.engine.documents.model import Local
from workers.engine.matching import Mismatch, load
from workers.engine.measuring import job, measure
from workers.engine.neighbors import bundle_of
from workers.engine.numbers import Numbers
from workers.engine.prompts import Prompt
from workers.engine.record import record
from workers.engine.replay import logits
from workers.engine.sampling import sample
from workers.engine.seeds import fresh_seed
from workers.engine.techniques import TECHNIQUES

pytestmark = pytest.mark.checkpoints

FINDINGS = Path(__file__).parents[1] / "checkpoints" / "findings"
CHECKPOINT = {  # finding: the folder of its model
    "sorting-in-mingpt-nano": "mingpt_nano_sort",
    "pronoun-head-in-stories260k": "stories260K",
    "pronoun-heads-in-tinystories-656k": "tinystories_656k",
}
CORRUPTION = {"sorting-six-letters": "other-letter", "pronoun-for-a-child": "other-child"}
SECRET = b"a fixed one, so that the fresh draws of these tests are always the same"
FEW = 8

HEADS = ["0.0@END", "1.1", "1.2@END", "0.1.q@END", "1.0.k", "1.1.v", "0.2.v@END-1"]
LAYERS = ["attn.0@END", "attn.1", "mlp.0", "mlp.1@END-1", "mlp.1.7@END", "mlp.0.30", "resid.0@END-1", "resid.1@END"]
EACH = {"metric": "logit", "components": [*HEADS, *LAYERS, "embed"], "over": "each"}
KEEP = {"metric": "logit", "action": "keep_only", "components": ["0.1", "1.1@END"]}
SPECS: dict[str, list[dict[str, Any]]] = {
    "behavior": [{"metric": "accuracy"}],
    "attention_pattern": [{"components": ["0.1[END>END-1]", "1.1[END>END]", "1.2[END-1>END-1]"]}],
    "ablation": [*({**EACH, "ablation": how} for how in ("mean", "zero", "resample")), KEEP],
    "activation_patching": [
        {**EACH, "corruption": "", "direction": way, "report": "change"} for way in ("denoise", "noise")
    ],
    "attribution_patching": [{"metric": "logit", "components": HEADS[:3], "corruption": "", "over": "each"}],
    "causal_tracing": [{"metric": "logit", "components": ["mlp.*@END"], "noised": ["embed@END"], "over": "each"}],
    "composition": [{"components": ["0.*"], "receivers": ["1.1.k"]}],
    "copy_suppression": [{"components": ["1.1"]}],
    "direct_logit_attribution": [{"metric": "logit", "components": ["0.1", "1.1@END", "mlp.1"], "over": "each"}],
    "edge_attribution": [
        {"metric": "logit", "components": ["0.1@END"], "receivers": ["1.1.q"], "corruption": "", "over": "each"}
    ],
    "faithfulness": [{"metric": "logit", "components": ["0.1", "1.1"]}],
    "logit_lens": [{"metric": "logit", "components": ["resid.1@END", "resid.2@END"], "over": "each"}],
    "ov_copying": [{"components": ["0.1", "1.1"], "top": 1}],
    "ov_eigenvalues": [{"components": ["0.1", "1.1"]}],
    "path_patching": [
        {"metric": "logit", "components": ["0.1@END"], "receivers": ["1.1.q"], "corruption": "", "direction": "noise"}
    ],
}
ELSEWHERE = {  # techniques that need what these behaviors do not have, and are tried on other models
    "attention_rate": "named attention entries",
    "attention_spread": "named attention entries",
    "circuit_reuse": "a second behavior of the same model",
    "completeness": "a circuit, and a part of it",
    "direction": "two kinds of prompts to tell apart",
    "fourier_power": "numbers as tokens",
    "function_vector": "examples in the prompt",
    "minimality": "a circuit, and a part of it",
    "probe": "labels that differ from prompt to prompt",
    "retrieval_score": "a span to copy from",
    "steering": "words of the tokenizer",
    "successor": "words in a known order",
}


@pytest.fixture(scope="module", params=CHECKPOINT)
def bundle(request: pytest.FixtureRequest) -> Bundle:
    return bundle_of(FINDINGS / f"{request.param}.json")


@pytest.fixture(scope="module")
def loaded(bundle: Bundle, checkpoints: Path) -> Loaded:
    """The model as a worker gets it: looked for by its hash, and compared with its document."""
    return load(measurement_of(bundle, bundle.finding.claims[0]).model, [checkpoints], "cpu", "float32")


@pytest.fixture(scope="module")
def plain(loaded: Loaded) -> Any:
    """The same weights as Hugging Face itself reads and runs them."""
    return AutoModelForCausalLM.from_pretrained(loaded.folder, attn_implementation="eager").eval()


def claiming(bundle: Bundle, *claims: dict[str, Any], **changed: Any) -> Bundle:
    """The same behavior and model in a finding of these claims."""
    finding = type(bundle.finding).from_json({**bundle.finding.values(), "claims": list(claims), **changed})
    return bundle.model_copy(update={"finding": finding}).checked()


def measured(
    bundle: Bundle, loaded: Loaded, technique: str, spec: dict[str, Any]
) -> tuple[Numbers, tuple[Prompt, ...]]:
    """A few prompts of the public draw, and what they came to."""
    claim = {"id": "claim", "technique": technique, "spec": spec, "expect": {"at_least": 0.5}}
    asked = claiming(bundle, claim)
    run = job(measurement_of(asked, asked.finding.claims[0]), 0, loaded)
    prompts = next(sample(run.measurement, 0, None, run.fit.vocabulary, FEW).looks)
    return measure(run, None, (), lambda done, total, doing: None, FEW), prompts


def forward(plain: Any, prompt: Prompt) -> Any:
    with torch.no_grad():
        return plain(input_ids=torch.tensor([prompt.tokens]), output_attentions=True)


def with_seeds(bundle: Bundle) -> Bundle:
    """Fresh draws seeded as a site with a fixed secret seeds them, and published."""
    hashes = [measurement_of(bundle, claim).sha256 for claim in bundle.finding.claims if claim.runnable]
    return bundle.model_copy(update={"seeds": {sha: {"1": fresh_seed(SECRET, sha, 1)} for sha in hashes}})


def test_a_model_is_found_by_the_hash_of_its_weights(bundle: Bundle, loaded: Loaded) -> None:
    assert loaded.folder.name == CHECKPOINT[bundle.finding.slug]
    assert bundle.model.weights == Local(weights_sha256=loaded.weights_sha256)


def test_a_document_with_other_heads_is_not_about_these_weights(bundle: Bundle, checkpoints: Path) -> None:
    identity = measurement_of(bundle, bundle.finding.claims[0]).model
    dimensions = identity.dimensions.model_copy(update={"key_value_heads": identity.dimensions.key_value_heads + 1})
    with pytest.raises(Mismatch, match="key_value_heads is"):
        load(identity.model_copy(update={"dimensions": dimensions}), [checkpoints], "cpu", "float32")


def test_the_engine_computes_the_logits_of_a_plain_forward_pass(bundle: Bundle, loaded: Loaded, plain: Any) -> None:
    _, prompts = measured(bundle, loaded, "behavior", {"metric": "logit"})
    for prompt in prompts:
        ours: Tensor = logits(loaded, record(loaded, torch.tensor([prompt.tokens])).resid[-1])
        torch.testing.assert_close(ours, forward(plain, prompt).logits, rtol=1e-5, atol=1e-4)


def test_the_clean_arm_is_read_off_a_plain_forward_pass(bundle: Bundle, loaded: Loaded, plain: Any) -> None:
    numbers, prompts = measured(bundle, loaded, "behavior", {"metric": "logit"})
    by_hand = []
    for prompt in prompts:
        found = forward(plain, prompt).logits[0]  # (pos, vocabulary)
        by_hand.append(sum(float(found[one.position, one.right[0]]) for one in prompt.answers) / len(prompt.answers))
    assert numbers.clean["logit"] == pytest.approx(by_hand, rel=1e-5, abs=1e-4)


def test_attention_is_that_of_a_plain_forward_pass(bundle: Bundle, loaded: Loaded, plain: Any) -> None:
    numbers, prompts = measured(bundle, loaded, "attention_pattern", {"components": ["1.2[END>END-1]"]})
    by_hand = [float(forward(plain, prompt).attentions[1][0, 2, -1, -2]) for prompt in prompts]
    assert numbers.edited[0].arm["attention"] == pytest.approx(by_hand, abs=1e-6)


def test_every_technique_is_tried_here() -> None:
    assert not SPECS.keys() & ELSEWHERE.keys()
    assert SPECS.keys() | ELSEWHERE.keys() == set(TECHNIQUES)


@pytest.mark.parametrize(("technique", "spec"), [(name, spec) for name, some in SPECS.items() for spec in some])
def test_every_technique_agrees_with_plain_hooks(
    bundle: Bundle, loaded: Loaded, technique: str, spec: dict[str, Any]
) -> None:
    if "corruption" in spec:
        spec = {**spec, "corruption": CORRUPTION.get(bundle.behavior.slug, "other-name")}
    numbers, _ = measured(bundle, loaded, technique, spec)
    sound = numbers.soundness
    assert (sound.wrote, sound.oracle_prompts, len(numbers.prompts)) == (True, FEW, FEW)
    assert sound.oracle_difference is not None and sound.oracle_difference <= sound.noise_floor
    if TECHNIQUES[technique].edits:
        assert sound.null_difference is not None and sound.null_difference <= sound.noise_floor
        base = numbers.clean if numbers.base == "clean" else numbers.corrupted
        assert base is not None and any(one.arm["logit"] != base["logit"] for one in numbers.edited)


def verified(bundle: Bundle, folder: Path, checkpoints: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What the command line finds."""
    file = folder / "bundle.json"
    file.write_text(json.dumps(with_seeds(bundle).values()))
    status = main(["verify", str(file), "--models", str(checkpoints), "--json"])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert found["exit"] == status and not found["made_seeds"]
    return found


def test_the_finding_is_verified(
    bundle: Bundle, tmp_path: Path, checkpoints: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = verified(bundle, tmp_path, checkpoints, capsys)
    runnable = [claim.id for claim in bundle.finding.claims if claim.runnable]
    assert {one["id"]: one["verdict"] for one in found["claims"]} == dict.fromkeys(runnable, "holds")
    assert (found["badge"], found["exit"]) == ("verified", 0)


SORTING, HEAD, MOVERS = CHECKPOINT
INDUCTION = {
    "id": "induction",
    "essential": True,
    "technique": "attention_pattern",
    "spec": {"components": ["3.6[induction]"]},
    "expect": {"at_least": 0.5},
}


@pytest.mark.parametrize(
    ("finding", "claim", "changed", "verdict", "badge"),
    [
        pytest.param(
            SORTING,
            "first-heads-are-needed",
            {"expect": {"at_most": -0.3}},
            ("fails", "not_testable"),
            "refuted",
            id="wrong number",
        ),
        pytest.param(
            SORTING,
            "first-heads-are-needed",
            {"spec": {"components": ["#first-heads@FIRST"]}, "expect": {"at_most": -0.1}},
            ("fails", "no"),
            "refuted",
            id="the position at which the heads rest",
        ),
        pytest.param(
            HEAD,
            "the-head-suffices",
            {"spec": {"components": ["4.1@END"]}},
            ("fails", "no"),
            "refuted",
            id="wrong head",
        ),
        pytest.param(
            HEAD,
            "the-head-suffices",
            {"spec": {"components": ["4.4@END"]}, "expect": {"at_least": 0.04}, "nodes": ["4.4@END"]},
            ("holds", "no"),
            "undecided",
            id="a head with an effect that other heads have too",
        ),
        pytest.param(
            HEAD, "previous-token-heads", {**INDUCTION, "nodes": []}, ("fails", None), "refuted", id="no induction head"
        ),
        pytest.param(
            MOVERS,
            "the-movers-suffice",
            {"spec": {"components": ["1.3@END", "1.7@END"]}},
            ("fails", "no"),
            "refuted",
            id="wrong heads",
        ),
        pytest.param(
            MOVERS,
            "the-rest-of-the-layer-is-idle",
            {"spec": {"components": ["#movers@END"]}, "power": ["0.*@NAME"]},
            ("fails", None),
            "refuted",
            id="idle heads that are not",
        ),
        pytest.param(
            MOVERS,
            "the-movers-suffice",
            {"spec": {"components": ["#movers@END", "1.3@END"]}, "nodes": ["1.2@END", "1.3@END", "1.5@END"]},
            ("holds", "yes"),
            "partly_verified",
            id="a passenger",
        ),
    ],
)
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
    found = verified(planted(finding, claim, changed), tmp_path, checkpoints, capsys)
    (judged,) = found["claims"]
    assert ((judged["verdict"], judged["specific"]), found["badge"]) == (verdict, badge)


def planted(finding: str, claim: str, changed: dict[str, Any]) -> Bundle:
    """The finding with this claim alone, changed into a false one; `nodes`: of its circuit."""
    bundle = bundle_of(FINDINGS / f"{finding}.json")
    (true,) = (one.values() for one in bundle.finding.claims if one.id == claim)
    nodes = changed.get("nodes", [node.component for node in bundle.finding.circuit.nodes])
    false = {**true, **changed, "spec": {**true["spec"], **changed.get("spec", {})}}
    false.pop("nodes", None)
    circuit = {"nodes": [{"component": node} for node in nodes], "groups": bundle.finding.circuit.groups}
    return claiming(bundle, false, circuit=circuit)
