"""The part of a claim's spec that all techniques share. A technique adds its own fields in its own file.

Sources and formulas: `recovered` = (edited - corrupted) / (clean - corrupted), mirrored for noising;
`kept` = (edited - floor) / (clean - floor); ratios are always ratios of means, never means of ratios.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from workers.engine import metrics
from workers.engine.documents.components import NotAComponent, component, group_of
from workers.engine.documents.document import Document, Sha256, Slug, Unordered
from workers.engine.registry import UnknownKey

if TYPE_CHECKING:
    from workers.engine.documents.model import Dimensions

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


def why_no_part(circuit: Sequence[str], part: Sequence[str]) -> str | None:
    """Why this part, in the place of a circuit claimed to lack nothing, is no reference edit; None if it is one.

    Any small circuit is told from it; what must be is one of which some is missing.
    """
    places = [component(text) for text in part]
    kept = [text for text in circuit if any(one.covers(component(text)) for one in places)]
    inside = all(any(component(text).covers(one) for text in circuit) for one in places)
    if inside and len(circuit) <= 2 * len(kept) < 2 * len(circuit):
        return None
    return "name half of the claim's circuit or more, but not all: what is missing must be noticed"


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
        if self.report == "recovered" and not self.has_corrupted_run:
            raise ValueError("report 'recovered' compares with corrupted prompts: name a corruption of the behavior")
        return self

    @property
    def base(self) -> Base:
        """The untouched arm that the edits are made in."""
        return "clean"

    @property
    def has_corrupted_run(self) -> bool:
        """Of corrupted prompts, unless the technique corrupts the run itself."""
        return self.corruption is not None

    def editing(self, components: tuple[str, ...]) -> Self:
        """The same spec with one edited arm, of these components."""
        named = {"components": components} if "components" in type(self).model_fields else {}
        return self.model_copy(update={**named, "contrast": ()})

    def power_reference(self, layers: Sequence[int]) -> tuple[str, ...]:
        """Components whose edit an absence must be able to notice, unless its claim names some; with wildcards.

        layers: those of the components claimed to be without effect.
        """
        return tuple(f"{layer}.*" for layer in layers)

    def at_floor(self) -> Self | None:
        """The spec whose number `kept` is measured from, or that shows what keeping nothing does; None without one."""
        return None

    @property
    def counts_from_zero(self) -> bool:
        """Whether `kept` is a share of the metric itself, whatever the floor shows."""
        return False

    @property
    def keeps_only(self) -> bool:
        """Whether the components are kept and the others ablated; nothing done is then a run without any of them."""
        return False

    @property
    def null_of_kept(self) -> float:
        """What `kept` is when nothing happens."""
        return 0.0 if self.keeps_only else 1.0

    @property
    def replaces(self) -> bool:
        """Whether what the components compute is replaced; else something is added to it, or taken off it."""
        return True

    @property
    def complete(self) -> tuple[str, ...]:
        """What an absence claims to lack nothing, such as components kept alone: of the whole model it is no claim."""
        kept: tuple[str, ...] = getattr(self, "components", ()) if self.keeps_only else ()
        return kept if self.report in ("change", "relative_change") else ()

    def shows(self, name: str) -> bool:
        """Whether an effect of this component is one of what it computes; else it is not covered by it."""
        return True

    def why_no_power(self, components: tuple[str, ...]) -> str | None:
        """Why these, written out, are no reference edit for an absence; None where they are."""
        return why_no_part(self.complete, components) if self.complete else None

    def for_power(self, components: tuple[str, ...]) -> Self:
        """The spec of the reference edit that must break an absence's bound."""
        return self.editing(components)

    def out_of_reach(self, dimensions: Dimensions) -> tuple[str, ...]:
        """Components that could not have any effect by construction, and so are no control."""
        return ()

    @property
    def other_prompts(self) -> dict[str, Slug | OtherPrompts]:
        """Prompt sets that decide the number beside `prompts` (e.g. what a mean is taken over), by field name."""
        return {}
