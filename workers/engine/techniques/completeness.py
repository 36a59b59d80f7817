"""Completeness: what is knocked out in the circuit does as much there as it does in the whole model.

F(C \\ K) - F(M \\ K), with C the circuit alone (everything else of its kinds ablated), M the model, K the components. A
circuit that left out a backup or an inhibitor of K differs from the model once K is gone. A complete circuit differs
for no K at all; a claim is about the K it names. That the difference is small is an `absence`, and its control a
smaller circuit, stated as `power`, which must break the bound; that it is large is an `effect`, counted from
F(C) - F(M), what the circuit lacks with nothing knocked out.
Source: Wang et al. 2022 (arXiv 2211.00593), section 4.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Self

from pydantic import model_validator

from workers.engine.documents.circuit_spec import CircuitSpec, refuse_unkeepable, without
from workers.engine.documents.components import component
from workers.engine.documents.spec import Places
from workers.engine.techniques import Technique, two_runs
from workers.engine.words import given_in_words, listed, others_in_words, places_in_words, replacement_in_words

if TYPE_CHECKING:
    from workers.engine.setting import Effects, Setting


class Spec(CircuitSpec):
    """components: K, what is knocked out in both. circuit: C. relative_change: the difference as a share of F(M)."""

    components: Places
    circuit: Places
    report: Literal["change", "relative_change"] = "change"

    @model_validator(mode="after")
    def _is_one_circuit(self) -> Self:
        if self.contrast:
            raise ValueError("completeness compares with the whole model already: remove contrast")
        refuse_unkeepable((*self.components, *self.circuit), self.others)
        if any(text.startswith("#") or component(text).is_wildcard for text in (*self.components, *self.circuit)):
            return self  # looked at again when they are written out
        for text in self.components:
            if without(self.circuit, [text]) == self.circuit:
                raise ValueError(f"{text} is not in the circuit: only what is in it can be knocked out in both")
        return self

    @property
    def complete(self) -> tuple[str, ...]:
        return self.circuit

    @property
    def null_of_kept(self) -> float:
        """Nothing done leaves what the floor shows: F(C) - F(M)."""
        return 0.0

    def at_floor(self) -> Self:
        return self.model_copy(update={"components": ()})

    def why_no_power(self, components: tuple[str, ...]) -> str | None:
        """What is knocked out anyway is not missed."""
        if without(components, self.components) == without(self.circuit, self.components):
            return "leave out some of the circuit that the claim does not knock out in both: nobody misses what is"
        return super().why_no_power(components)

    def for_power(self, components: tuple[str, ...]) -> Self:
        """A smaller circuit in the place of the one claimed to be complete."""
        return self.model_copy(update={"circuit": components})


def run(setting: Setting, specs: Sequence[Spec]) -> Effects:
    """The clean number, moved by F(C \\ K) - F(M \\ K). The specs differ only in components."""
    from workers.engine.ablating import difference, knocked_out, only_kept

    first = specs[0]
    assert all(spec.editing(()) == first.editing(()) for spec in specs)
    circuits = [without(spec.circuit, spec.components) for spec in specs]
    whole = knocked_out(setting, [spec.components for spec in specs], first)
    return difference(setting, first, only_kept(setting, circuits, first), whole)


def sentence(spec: Spec) -> str:
    instead = replacement_in_words(spec.ablation, spec.corruption, spec.mean_over, spec.mean)
    return (
        f"replacing {places_in_words(spec.components, spec.over)} by {instead} in the circuit {listed(spec.circuit)} "
        f"(all other {others_in_words(spec.others)} replaced, too), less the same in the whole model"
        f"{given_in_words(spec.given)}"
    )


TECHNIQUE = Technique(
    version=1,
    spec=Spec,
    causal=True,
    gated=True,
    controlled=True,
    edits=True,
    run=run,
    sentence=sentence,
    passes=two_runs,
)
