"""A behavior: a task with its prompts, its metric, and the level at which a model can be said to show it."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, SerializeAsAny, field_validator, model_validator

from workers.engine import metrics
from workers.engine.documents.document import Document, Prose, Slug, Title, Words
from workers.engine.documents.reference import References
from workers.engine.prompts import GENERATORS, Source
from workers.engine.registry import UnknownKey


def _read_source(given: Any) -> Any:
    if isinstance(given, Source):
        return given
    key = given.get("generator") if isinstance(given, dict) else None
    if not isinstance(key, str):
        raise ValueError(f"name a generator: one of {', '.join(GENERATORS)}")
    try:
        return GENERATORS[key].source.from_json(given)
    except UnknownKey as error:
        raise ValueError(str(error)) from error


PromptSource = Annotated[SerializeAsAny[Source], BeforeValidator(_read_source)]


class Behavior(Document):
    """`prompts` are named sets; claims use "default" unless they name another.

    chance: the metric's value for a model that does not know the task. threshold: the model shows the behavior if
    the metric's interval lies wholly above it.
    """

    kind: Literal["behavior"] = "behavior"
    slug: Slug
    title: Title
    summary: Words = ""
    prompts: dict[Slug, PromptSource]
    metric: str
    chance: float
    threshold: float
    references: References = ()
    body: Prose = ""

    @field_validator("prompts")
    @classmethod
    def _has_a_default(cls, prompts: dict[str, Source]) -> dict[str, Source]:
        if "default" not in prompts:
            raise ValueError('name one of the prompt sets "default"')
        return prompts

    @field_validator("metric")
    @classmethod
    def _known_metric(cls, name: str) -> str:
        try:
            metric = metrics.METRICS[name]
        except UnknownKey as error:
            raise ValueError(str(error)) from error
        if metric.least_chance is None:
            known = ", ".join(key for key in metrics.METRICS if metrics.METRICS[key].least_chance is not None)
            raise ValueError(f"a larger {name} shows no behavior, so it has no threshold; take one of {known}")
        return name

    @model_validator(mode="after")
    def _threshold_is_above_chance(self) -> Self:
        if self.threshold <= self.chance:
            raise ValueError("the threshold must lie above chance, or any model would show the behavior")
        least = metrics.METRICS[self.metric].least_chance
        if least is not None and self.chance < least:
            raise ValueError(f"chance: a model that knows nothing has a {self.metric} of {least:g}; declare no less")
        return self
