"""Minimality: what a component of the circuit still does there once others of the circuit are knocked out.

F(C \\ (K + v)) - F(C \\ K), with C the circuit alone (everything else of its kinds ablated), v the components, K the
others that are `without`. Backups hide that v is needed, so the K that shows it must be named; a v without such a K is
not needed. Being minimal is relative to the circuit stated: of a circuit that lacks a part, much may look needed. Its
control are random components in v's place *in the circuit*, with the same others around them: one that was never in
the circuit would change nothing by construction. Source: Wang et al. 2022 (arXiv 2211.00593), section 4.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Self

from pydantic import model_validator

from workers.engine.documents.circuit_spec import CircuitSpec, refuse_unkeepable, without
from workers.engine.documents.components import component
from workers.engine.documents.spec import Over, Places, SomePlaces
from workers.engine.techniques import Technique, two_runs
from workers.engine.words import given_in_words, listed, others_in_words, places_in_words, replacement_in_words

if TYPE_CHECKING:
    from workers.engine.setting import Effects, Setting


class Spec(CircuitSpec):
    """components: v, each by itself. circuit: C, which holds them. without: K, knocked out in both.

    relative_change: the difference as a share of F(M), the whole model's number.
    """

    components: Places
    circuit: Places
    without: SomePlaces = ()
    over: Over = "each"
    report: Literal["change", "relative_change"] = "change"

    @model_validator(mode="after")
    def _is_about_a_part_of_the_circuit(self) -> Self:
        if self.contrast:
            raise ValueError("minimality compares with the circuit already: remove contrast")
        refuse_unkeepable((*self.components, *self.circuit, *self.without), self.others)
        if any(_means_several(text) for text in (*self.components, *self.circuit, *self.without)):
            return self  # looked at again when they are written out
        rest = without(self.circuit, self.without)
        for text in self.components:
            if without(rest, [text]) == rest:
                raise ValueError(f"{text} is not in the circuit, or out of it already by `without`")
        return self

    def editing(self, components: tuple[str, ...]) -> Self:
        """Components from outside stand in the circuit in place of the spec's own."""
        strangers = tuple(text for text in components if without(self.circuit, [text]) == self.circuit)
        rest = without(self.circuit, self.components) if strangers and self.over == "group" else self.circuit
        circuit = tuple(sorted({*rest, *strangers}))
        return self.model_copy(update={"components": components, "circuit": circuit, "contrast": ()})


def run(setting: Setting, specs: Sequence[Spec]) -> Effects:
    """The clean number, moved by F(C \\ (K + v)) - F(C \\ K). The specs differ only in components and circuit."""
    from workers.engine.ablating import difference, only_kept

    first = specs[0]
    after = [without(spec.circuit, (*spec.without, *spec.components)) for spec in specs]
    before = [without(spec.circuit, spec.without) for spec in specs]
    return difference(setting, first, only_kept(setting, after, first), only_kept(setting, before, first))


def sentence(spec: Spec) -> str:
    instead = replacement_in_words(spec.ablation, spec.corruption, spec.mean_over, spec.mean)
    out = f", {listed(spec.without)} being out of it" if spec.without else ""
    return (
        f"replacing {places_in_words(spec.components, spec.over)} by {instead} in the circuit {listed(spec.circuit)} "
        f"(all other {others_in_words(spec.others)} replaced, too){out}{given_in_words(spec.given)}"
    )


def _means_several(text: str) -> bool:
    return text.startswith("#") or component(text).is_wildcard


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
    picture="bars",
)
