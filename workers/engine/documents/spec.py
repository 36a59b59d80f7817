"""The part of a claim's spec that all techniques share. A technique adds its own fields in its own file.

Sources and formulas: `recovered` = (edited - corrupted) / (clean - corrupted), mirrored for noising;
`kept` = (edited - floor) / (clean - floor); ratios are always ratios of means, never means of ratios.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from workers.engine import metrics
from workers.engine.documents.components import NotAComponent, component, group_of
from workers.engine.documents.document import Document, Sha256, Slug, Unordered
from workers.engine.registry import UnknownKey

Report = Literal["raw", "change", "relative_change", "recovered", "kept"]
Statistic = Literal["mean", "ratio_of_means", "median", "fraction", "correlation"]
Over = Literal["group", "each", "mean", "min"]
Ablation = Literal["zero", "mean", "resample"]
Base = Literal["clean", "corrupted"]
Generality = Literal["prompts", "templates"]
"""What the interval speaks of: more prompts of these templates, or prompts of new templates (clustered by template)."""
RATIOS: frozenset[str] = frozenset({"relative_change", "recovered", "kept"})


def _names_a_place(text: str) -> str:
    try:
        return text if group_of(text) else str(component(text))
    except NotAComponent as error:
        raise ValueError(str(error)) from error


Place = Annotated[str, AfterValidator(_names_a_place)]
"""A component, a wildcard, or `#group` of the finding's circuit."""


class PlaceSet:
    """Marks a set of places: groups and wildcards are written out when the measurement is made."""


SomePlaces = Annotated[tuple[Place, ...], Unordered(), PlaceSet()]
Places = Annotated[tuple[Place, ...], Unordered(), PlaceSet(), Field(min_length=1)]


class OtherPrompts(Document):
    """Prompts of another behavior, e.g. random-token scores inside an IOI finding."""

    behavior: Slug
    revision: Sha256
    set: Slug = "default"


class Given(Document):
    """An edit that stands in both arms: "ablate the backups GIVEN the movers are ablated"."""

    components: Places
    ablation: Ablation = "mean"
    corruption: Slug | None = None


class Spec(Document):
    """What is measured: metric, how it is reported, over what, on which prompts."""

    metric: str
    report: Report = "raw"
    statistic: Statistic = "mean"
    over: Over = "group"
    prompts: Slug | OtherPrompts = "default"
    generalizes_to: Generality = "prompts"
    corruption: Slug | None = None
    given: tuple[Given, ...] = ()
    contrast: SomePlaces = ()

    @model_validator(mode="before")
    @classmethod
    def _write_out_the_statistic(cls, given: Any) -> Any:
        if not isinstance(given, dict) or given.get("statistic") is not None:
            return given
        ratio = given.get("report", cls.model_fields["report"].default) in RATIOS
        return {**given, "statistic": "ratio_of_means" if ratio else "mean"}

    @field_validator("metric")
    @classmethod
    def _known_metric(cls, name: str) -> str:
        try:
            metrics.METRICS[name]
        except UnknownKey as error:
            raise ValueError(str(error)) from error
        if metrics.METRICS[name].rows == "none":
            raise ValueError(f"{name} is not read off the model's logits; only a technique of its own can measure it")
        return name

    @model_validator(mode="after")
    def _ratios_are_of_means(self) -> Self:
        if (self.report in RATIOS) != (self.statistic == "ratio_of_means"):
            raise ValueError(
                f"report {self.report!r} with statistic {self.statistic!r}: relative_change, recovered and kept are "
                "ratios of means and take no other statistic; raw and change take any other"
            )
        return self

    @model_validator(mode="after")
    def _recovered_needs_a_corruption(self) -> Self:
        if self.report == "recovered" and self.corruption is None:
            raise ValueError("report 'recovered' compares with corrupted prompts: name a corruption of the behavior")
        return self

    @property
    def base(self) -> Base:
        """The untouched arm that the edits are made in."""
        return "clean"

    def editing(self, components: tuple[str, ...]) -> Self:
        """The same spec with one edited arm, of these components."""
        named = {"components": components} if "components" in type(self).model_fields else {}
        return self.model_copy(update={**named, "contrast": ()})

    def at_floor(self) -> Self | None:
        """The spec whose number `kept` is measured from; None where that is zero or `kept` is not reported."""
        return None

    @property
    def null_of_kept(self) -> float:
        """What `kept` is when nothing happens; techniques that knock out or keep only say their own."""
        return 1.0

    @property
    def other_prompts(self) -> dict[str, Slug | OtherPrompts]:
        """Prompt sets that decide the number beside `prompts` (e.g. what a mean is taken over), by field name."""
        return {}
