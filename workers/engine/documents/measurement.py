"""A measurement: everything that decides a number, and nothing else. Its hash is computed without torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, SerializeAsAny, model_validator

from workers.engine.documents.behavior import PromptSource
from workers.engine.documents.document import Document, Unordered
from workers.engine.documents.expect import ComponentText
from workers.engine.documents.model import Dimensions, Hub, Local, Precision
from workers.engine.documents.spec import Spec
from workers.engine.techniques import TECHNIQUES

PROTOCOL = 1
"""Raised when what every run does (EVIDENCE 3) changes in a way that changes numbers."""

CONTROL_SETS = 199
CONTROL_PROMPTS = 64


class PromptPart(Document):
    source: PromptSource
    generator_version: int


class Identity(Document):
    """Which weights, and how text becomes their tokens."""

    weights: Hub | Local
    family: str
    tokenizer_sha256: str | None
    bos: int | None
    chat_template: str | None
    dimensions: Dimensions


class RandomSets(Document):
    """Control of specificity: random sets of as many components of the same kind at the same positions.

    exclude: components no set may contain, beside the spec's own. toward: the side of the null value on which the
    expectation lies. reduce: how a set's components make one value ("group": edited together).
    """

    kind: Literal["random_sets"] = "random_sets"
    exclude: Annotated[tuple[ComponentText, ...], Unordered()]
    toward: Literal["above", "below"]
    reduce: Literal["group", "mean", "least", "most"]
    sets: int = Field(default=CONTROL_SETS, ge=1)
    prompts: int = Field(default=CONTROL_PROMPTS, ge=1)


class Power(Document):
    """Control of an absence claim: an edit that must break its bound on the same prompts."""

    kind: Literal["power"] = "power"
    components: Annotated[tuple[ComponentText, ...], Unordered(), Field(min_length=1)]
    prompts: int = Field(default=CONTROL_PROMPTS, ge=1)


class Measurement(Document):
    """spec: groups and wildcards written out. fit: the other prompt sets the spec draws on, by field name.

    gate_metric: the behavior's own metric, measured on the same untouched prompts; null where the technique is exempt.
    control: null for the claim's own measurement.
    """

    protocol: int = PROTOCOL
    technique: str
    technique_version: int
    spec: SerializeAsAny[Spec]
    prompts: PromptPart
    fit: dict[str, PromptPart] = {}
    gate_metric: str | None
    model: Identity
    dtype: Precision = "float32"
    control: Annotated[RandomSets | Power | None, Field(discriminator="kind")] = None

    @model_validator(mode="before")
    @classmethod
    def _read_the_spec(cls, given: Any) -> Any:
        if not isinstance(given, dict) or isinstance(given.get("spec"), Spec):
            return given
        return {**given, "spec": TECHNIQUES[given["technique"]].spec.from_json(given["spec"])}


def variants_of(measurement: Measurement) -> tuple[Measurement, ...]:
    """The same measurement under the technique's other conventions (zero, mean, resample ablation)."""
    specs = TECHNIQUES[measurement.technique].variants(measurement.spec)
    return tuple(measurement.model_copy(update={"spec": spec, "fit": {}}) for spec in specs)
