"""Documents the wiki's tests write: one behavior, one model, and findings about them. And numbers made by hand."""

from typing import Any

from tests.engine.made_numbers import ENVIRONMENT, SOUND, kept, ones
from wiki import actions
from wiki.models import Finding, Revision, Run
from workers.engine.documents.kinds import DOCUMENTS
from workers.engine.documents.measurement import Measurement
from workers.engine.numbers import Numbers, SetsTried, TriedSet

WEIGHTS = "sha256:" + "a" * 64

BEHAVIOR: dict[str, Any] = {
    "slug": "repeat",
    "title": "Repeating what was seen",
    "prompts": {
        "default": {
            "generator": "repeated_tokens",
            "length": 20,
            "tokens": {"first": 1, "last": 99},
            "layouts": [{"prefix": 0, "segment": 4, "gap": 0}, {"prefix": 3, "segment": 5, "gap": 2}],
        }
    },
    "metric": "accuracy",
    "chance": 0.01,
    "threshold": 0.5,
}
MODEL: dict[str, Any] = {
    "slug": "small",
    "title": "Small",
    "weights": {"weights_sha256": WEIGHTS},
    "family": "gpt2",
    "tokenizer_sha256": None,
    "bos": 0,
    "chat_template": None,
    "dimensions": {
        "layers": 2,
        "heads": 8,
        "key_value_heads": 8,
        "d_model": 128,
        "d_head": 16,
        "d_mlp": 128,
        "vocabulary": 256,
        "positions": 64,
    },
}
DOES = {"id": "does", "technique": "behavior", "spec": {"metric": "accuracy"}, "expect": {"at_least": 0.6}}
KNOCK_OUT = {
    "id": "knock-out",
    "technique": "ablation",
    "spec": {"metric": "accuracy", "report": "change", "components": ["1.0"]},
    "expect": {"at_most": -0.3},
}
EACH = {
    "id": "each",
    "technique": "ablation",
    "spec": {
        "metric": "accuracy",
        "report": "change",
        "components": [f"1.{head}" for head in range(8)],
        "over": "each",
    },
    "expect": {"at_most": -0.3},
}
IN_WORDS = {"id": "in-words", "statement": "It looks like copying."}


def neighbors() -> None:
    """The behavior and the model that findings are about."""
    actions.publish("behavior", BEHAVIOR, author=None)
    actions.publish("model", MODEL, author=None)


def document(*claims: dict[str, Any], **changed: Any) -> dict[str, Any]:
    return {
        "slug": "copying",
        "title": "Copying in Small",
        "behavior": {"slug": "repeat", "revision": DOCUMENTS["behavior"].from_json(BEHAVIOR).sha256},
        "model": {"slug": "small", "revision": DOCUMENTS["model"].from_json(MODEL).sha256},
        "circuit": {"nodes": [{"component": "1.0"}], "edges": []},
        "claims": list(claims),
        **changed,
    }


def publish(author: Any, *claims: dict[str, Any], **changed: Any) -> Revision:
    return actions.publish("finding", document(*claims, **changed), author)


def finding(slug: str = "copying") -> Finding:
    return Finding.objects.with_everything().get(slug=slug)


def measured(run: Run, right: int = 64, spoilt: int = 0) -> dict[str, Any]:
    """Of 64 prompts so many are right untouched, and so many under the edit; or a control of 30 harmless sets."""
    return (_sets(run) if run.measurement.is_control else _draw(run, right, spoilt)).values()


def _draw(run: Run, right: int, spoilt: int) -> Numbers:
    ablation = run.measurement.technique == "ablation"
    edited = ones(spoilt) if ablation else ones(right)
    return Numbers(
        protocol=1,
        measurement=run.measurement_id,
        draw=run.draw,
        seed=run.seed or "0",
        looks=(64,),
        planned_looks=4,
        population="seeded",
        unit="sequence",
        prompts=kept(64),
        base="clean",
        clean={"accuracy": ones(right)},
        edited=tuple({"components": arm, "arm": {"accuracy": edited}} for arm in _arms(run)),
        gate=ones(right) if ablation else None,
        soundness=SOUND if ablation else SOUND.model_copy(update={"largest_change": None, "null_difference": None}),
        environment=ENVIRONMENT,
    )


def _arms(run: Run) -> list[tuple[str, ...]]:
    spec = Measurement.read(run.measurement.text).spec
    components = getattr(spec, "components", ())
    return [(one,) for one in components] if spec.over == "each" else [components]


def _sets(run: Run) -> SetsTried:
    return SetsTried(
        protocol=1,
        measurement=run.measurement_id,
        draw=run.draw,
        seed=run.seed,
        prompts=kept(64),
        pool="any layer",
        excluded=("1.0",),
        possible=30,
        own=-1.0,
        tried=tuple(TriedSet(components=(f"0.{i}",), value=0.0) for i in range(30)),
        soundness=SOUND,
        environment=ENVIRONMENT,
    )
