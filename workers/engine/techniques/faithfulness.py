"""Faithfulness: a circuit alone, everything else of its kinds ablated, and how much of the behavior it keeps.

F is the metric's mean, M the untouched model, C the circuit, ∅ the empty one. Three normalisations are in use, and they
are three numbers: `kept` (F(C) - F(∅)) / (F(M) - F(∅)), 0 for nothing and 1 for all; `share` F(C) / F(M), which even
an empty circuit may do well by; `difference` F(C) - F(M), in the metric's units. Ratios are ratios of means, never
means of ratios. What takes the place of the others decides the number (see ablation). Being faithful does not make a
circuit complete or minimal: all heads together are faithful. Ablated others also take away backups and inhibitors, so
more than 1 may be kept. Sources: Wang et al. 2022 (arXiv 2211.00593), section 4 (difference, mean over another
distribution); Marks et al. 2024 (arXiv 2403.19647; kept); Miller et al. 2024 (arXiv 2407.08734), how much
such choices change the number.

A circuit may be stated as `edges` instead: every receiver (a head's q, k and v, an MLP, the logits) then reads of each
sender (the embedding, heads, MLPs) what it writes in this run if the edge is in the circuit, else what it writes
ablated; components that no edge names are cut off. Sources: Conmy et al. 2023 (arXiv 2304.14997), section 3; Hanna et
al. 2024 (arXiv 2403.17806), section 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import model_validator

from workers.engine.documents.circuit_edges import Edges
from workers.engine.documents.circuit_spec import CircuitSpec, refuse_unkeepable
from workers.engine.documents.components import component
from workers.engine.documents.document import Later
from workers.engine.documents.spec import Report, SomePlaces
from workers.engine.techniques import Technique
from workers.engine.words import edges_in_words, given_in_words, others_in_words, places_in_words, replacement_in_words

if TYPE_CHECKING:
    from workers.engine.setting import Effects, Setting

Normalization = Literal["kept", "share", "difference"]
REPORTS: dict[str, Report] = {"kept": "kept", "share": "kept", "difference": "change"}


class Spec(CircuitSpec):
    """components: the circuit, heads (and MLPs), each at its position, or at all.

    edges: the circuit as [sender, receiver] instead; then everything is ablated wherever it is not heard, MLPs and the
    embedding too. normalization: which of the three numbers; it decides the report.
    """

    components: SomePlaces = ()
    edges: Annotated[Edges | None, Later()] = None
    normalization: Normalization = "kept"
    report: Report = "kept"

    @model_validator(mode="before")
    @classmethod
    def _write_out_the_report(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("edges") is not None:
            given = {"others": "heads_and_mlps", **given}
        if not isinstance(given, dict) or "report" in given:
            return given
        report = REPORTS.get(str(given.get("normalization", "kept")))
        return given if report is None else {**given, "report": report}

    @model_validator(mode="after")
    def _is_one_circuit(self) -> Self:
        if self.report != REPORTS[self.normalization]:
            raise ValueError(f"normalization {self.normalization!r} decides the report: remove report")
        if self.contrast:
            raise ValueError("two circuits are two claims: remove contrast")
        if self.edges is None:
            refuse_unkeepable(self.components, self.others)
        return self

    @model_validator(mode="after")
    def _is_of_components_or_of_edges(self) -> Self:
        if not self.components and not self.edges:
            raise ValueError("name the circuit: components, or edges as [sender, receiver]")
        if self.edges is not None:
            self._refuse_beside_edges()
        return self

    def _refuse_beside_edges(self) -> None:
        if self.components:
            raise ValueError("a circuit is stated by its components or by its edges: remove one of the two")
        if self.others != "heads_and_mlps":
            raise ValueError("edges from heads and from MLPs are cut alike: remove others")
        if self.given:
            raise ValueError("what is given is not edited in a circuit of edges: remove given, or name components")
        if self.over != "group":
            raise ValueError("a circuit of edges is one: remove over")

    @property
    def keeps_only(self) -> bool:
        return True

    def at_floor(self) -> Self:
        """The empty circuit."""
        return self.model_copy(update={"components": (), "edges": None if self.edges is None else ()})

    @property
    def counts_from_zero(self) -> bool:
        return self.normalization == "share"

    def for_power(self, components: tuple[str, ...]) -> Self:
        """A circuit of components, whether or not the claim's is one of edges."""
        return self.editing(components).model_copy(update={"edges": None})


def run(setting: Setting, specs: Sequence[Spec]) -> Effects:
    """Each spec's circuit alone. The specs differ only in components, or in edges."""
    from workers.engine.ablating import only_kept
    from workers.engine.edge_circuit import edges_alone

    assert all(_but_for_the_circuit(spec) == _but_for_the_circuit(specs[0]) for spec in specs)
    if specs[0].edges is not None:
        return edges_alone(setting, [spec.edges or () for spec in specs], _but_for_the_circuit(specs[0]))
    return setting.effects(setting.clean, only_kept(setting, [spec.components for spec in specs], specs[0]))


def sentence(spec: Spec) -> str:
    instead = replacement_in_words(spec.ablation, spec.corruption, spec.mean_over, spec.mean)
    if spec.edges is not None:
        return f"keeping only {edges_in_words(spec.edges)} and having all other edges carry {instead}"
    return (
        f"keeping only {places_in_words(spec.components, spec.over)} and replacing all other "
        f"{others_in_words(spec.others)} by {instead}{given_in_words(spec.given)}"
    )


def passes(spec: Spec) -> int:
    """Of a circuit of edges: the heads, what each set of senders that some receiver reads amounts to, and the MLP."""
    if spec.edges is None:
        return 1
    heard: dict[str, set[str]] = {}
    for sender, receiver in spec.edges:
        heard.setdefault(receiver, set()).add(sender)
    alike: dict[int | None, set[frozenset[str]]] = {}
    for receiver, senders in heard.items():
        alike.setdefault(component(receiver).layer, set()).add(frozenset(senders))
    return 3 + max((len(sets) for sets in alike.values()), default=0)


def _but_for_the_circuit(spec: Spec) -> Spec:
    return spec.model_copy(update={"components": (), "contrast": (), "edges": None if spec.edges is None else ()})


TECHNIQUE = Technique(
    version=1,
    spec=Spec,
    causal=True,
    gated=True,
    controlled=True,
    edits=True,
    run=run,
    sentence=sentence,
    passes=passes,
)
