"""Circuit reuse: the circuit that does one behavior, on the prompts of another.

The components are those found for the behavior `circuit_of`; what is measured is this finding's own behavior, with the
circuit knocked out, or kept while everything else of its kinds is ablated. Much of a model serves many behaviors, so
the control decides: random sets as large, from the same layers, must not do as much. Shared components need not play
the same part in both; that is shown by what each does, not by their being shared. Source: Merullo et al. 2023 (arXiv
2310.08744), where the IOI circuit of GPT-2 medium was found at work in the colored-objects task.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Self, assert_never

from pydantic import model_validator

from workers.engine.documents.circuit_spec import CircuitSpec, refuse_unkeepable
from workers.engine.documents.document import Document, Sha256, Slug
from workers.engine.documents.spec import OtherPrompts, Places, Report
from workers.engine.techniques import Technique
from workers.engine.words import given_in_words, others_in_words, places_in_words, replacement_in_words

if TYPE_CHECKING:
    from workers.engine.setting import Effects, Setting


class CircuitOf(Document):
    """The behavior that the circuit was found for, and the finding, perhaps at a revision."""

    behavior: Slug
    finding: Slug | None = None
    revision: Sha256 | None = None


class Spec(CircuitSpec):
    """components: the other behavior's circuit. keep_only: enough for this one? knock_out: needed for it?"""

    components: Places
    circuit_of: CircuitOf
    action: Literal["knock_out", "keep_only"] = "keep_only"
    report: Report = "kept"

    @model_validator(mode="after")
    def _is_measured_on_this_behavior(self) -> Self:
        if isinstance(self.prompts, OtherPrompts):
            raise ValueError("a circuit is reused on this finding's own prompts: name one of its sets")
        if self.report == "recovered":
            raise ValueError("report 'recovered' belongs to patching; report 'kept', 'change' or 'relative_change'")
        refuse_unkeepable((*self.components, *self.contrast), self.others)
        return self

    @property
    def keeps_only(self) -> bool:
        return self.action == "keep_only"

    def at_floor(self) -> Self | None:
        """Everything of the stated kinds ablated; what is knocked out is seen from the whole model unless `kept`."""
        if self.action == "knock_out" and self.report != "kept":
            return None
        return self.model_copy(update={"action": "keep_only", "components": (), "contrast": ()})


def run(setting: Setting, specs: Sequence[Spec]) -> Effects:
    """Each spec's circuit kept or knocked out. The specs differ only in components and action."""
    from workers.engine.ablating import knocked_out, only_kept

    make = {"keep_only": only_kept, "knock_out": knocked_out}
    return setting.effects(setting.clean, [make[spec.action](setting, [spec.components], spec)[0] for spec in specs])


def sentence(spec: Spec) -> str:
    instead = replacement_in_words(spec.ablation, spec.corruption, spec.mean_over, spec.mean)
    circuit = f"{places_in_words(spec.components, spec.over)}, stated as the circuit of {spec.circuit_of.behavior},"
    match spec.action:
        case "knock_out":
            return f"replacing {circuit} by {instead}{given_in_words(spec.given)}"
        case "keep_only":
            others = others_in_words(spec.others)
            return f"keeping only {circuit} and replacing all other {others} by {instead}{given_in_words(spec.given)}"
        case _:
            assert_never(spec.action)


TECHNIQUE = Technique(
    version=1,
    spec=Spec,
    causal=True,
    gated=True,
    controlled=True,
    edits=True,
    run=run,
    sentence=sentence,
)
