"""Documents about the small models of the tests: a model's own, a behavior of stated tokens, a finding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workers.engine.anatomy import Loaded
from workers.engine.arms import Key, Measured, measured, plan, settings
from workers.engine.documents.behavior import Behavior
from workers.engine.documents.bundle import Bundle, control_of, measurement_of
from workers.engine.documents.finding import Finding
from workers.engine.documents.measurement import Measurement
from workers.engine.documents.model import Model
from workers.engine.measuring import Job, job
from workers.engine.prompts import Prompt
from workers.engine.setting import How

PAIRS = {
    "generator": "pairs",
    "prompts": [
        {
            "tokens": [0, 2, 1, 2, 0, 1],
            "corrupted": {"other": [0, 2, 1, 0, 1, 1]},
            "right": [1],
            "wrong": [0],
            "positions": {"MIDDLE": 3},
        },
        {
            "tokens": [0, 2, 1, 1, 2, 0],
            "corrupted": {"other": [0, 2, 1, 2, 1, 0]},
            "right": [2],
            "wrong": [1],
            "positions": {"MIDDLE": 2},
        },
        {
            "tokens": [0, 1, 1, 0, 2, 2],
            "corrupted": {"other": [0, 1, 1, 2, 0, 2]},
            "right": [0, 2],
            "wrong": [1],
            "positions": {"MIDDLE": 4},
        },
    ],
}
RANDOM = {"generator": "repeated_tokens", "layouts": [{"segment": 4, "gap": 1}]}


def model_document(loaded: Loaded, bos: int | None = None) -> Model:
    dimensions = {
        "layers": loaded.layers,
        "heads": loaded.heads,
        "key_value_heads": loaded.kv_heads,
        "d_model": loaded.d_model,
        "d_head": loaded.d_head,
        "d_mlp": loaded.d_mlp or 0,
        "vocabulary": loaded.vocabulary,
        "positions": loaded.positions,
    }
    return Model.from_json(
        {
            "slug": "small",
            "title": "A small model",
            "weights": {"weights_sha256": loaded.weights_sha256},
            "family": loaded.family,
            "tokenizer_sha256": loaded.tokenizer_sha256,
            "bos": bos,
            "chat_template": None,
            "dimensions": dimensions,
        }
    )


def behavior_document(prompts: Any, **changed: Any) -> Behavior:
    """prompts: one source, or several by name."""
    named = {"default": prompts} if "generator" in prompts else prompts
    values = {"slug": "task", "title": "the task", "metric": "logit", "chance": -1000.0, "threshold": -999.0}
    return Behavior.from_json({**values, "prompts": named, **changed})


def bundle_document(
    loaded: Loaded, prompts: Any, claims: Sequence[dict[str, Any]], bos: int | None = None, **changed: Any
) -> Bundle:
    """changed: fields of the behavior; `circuit` is the finding's."""
    circuit = changed.pop("circuit", {})
    behavior, model = behavior_document(prompts, **changed), model_document(loaded, bos)
    finding = Finding.from_json(
        {
            "slug": "finding",
            "title": "A finding",
            "behavior": {"slug": behavior.slug, "revision": behavior.sha256},
            "model": {"slug": model.slug, "revision": model.sha256},
            "circuit": circuit,
            "claims": list(claims),
        }
    )
    return Bundle(finding=finding, behaviors={behavior.slug: behavior}, model=model).checked()


def a_claim(technique: str, expect: Any = None, **spec: Any) -> dict[str, Any]:
    stated = {"metric": "logit_diff", **spec} if technique != "attention_pattern" else spec
    return {"id": "claim", "technique": technique, "spec": stated, "expect": expect or {"at_least": 0.5}}


def a_measurement(loaded: Loaded, prompts: Any, technique: str, bos: int | None = None, **spec: Any) -> Measurement:
    bundle = bundle_document(loaded, prompts, [a_claim(technique, **spec)], bos)
    return measurement_of(bundle, bundle.finding.claims[0])


def a_control(loaded: Loaded, prompts: Any, technique: str, expect: Any, **spec: Any) -> Measurement:
    bundle = bundle_document(loaded, prompts, [a_claim(technique, expect, **spec)])
    control = control_of(bundle, bundle.finding.claims[0])
    assert control is not None
    return control


def stated_prompts(made: Job) -> tuple[Prompt, ...]:
    return made.fit.prompts("prompts")


def arms_of(loaded: Loaded, prompts: Any, technique: str, how: How = "replay", **spec: Any) -> Measured:
    """Every arm of a measurement on all of its stated prompts."""
    made = job(a_measurement(loaded, prompts, technique, **spec), 0, loaded)
    drawn = stated_prompts(made)
    planned = plan(made.measurement, made.spec, drawn[0])
    return measured(planned, settings(drawn, loaded, made.fit, planned.metrics, how))


def numbers_in(run: Measured, key: Key, metric: str = "logit_diff") -> list[float]:
    values: list[float] = run.values[key][metric].tolist()
    return values
