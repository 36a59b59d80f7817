"""Edge attribution patching (EAP, EAP-IG): how much a sender does by way of one receiver, estimated from gradients.

An edge's score is the difference of what the sender writes in the two runs, times the gradient of the metric with
respect to the residual stream as that receiver alone reads it (norm included, of the run that is patched), summed over
positions. `eap` takes the gradient in the patched run itself; `eap_ig_inputs` takes the mean over runs whose embeddings
lie between the two, which helps where that gradient is 0. It finds candidates for path patching. The arm's number is
the estimated metric after the edges were patched; several senders and receivers are summed, edge by edge.

What changes the number: the direction, the number of steps and where they lie; that a head's write is its z W_O (and
what a post-norm makes of it, to first order); that scores are summed over positions and entries and averaged over
prompts without taking absolute values. The authors' code for EAP-IG is direction "denoise" with points "left" but for
the sign, for EAP direction "noise". Sources: Syed et al. 2023 (arXiv 2310.10348); Hanna et al. 2024 (arXiv 2403.17806).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from workers.engine.documents.components import Component, Part, component
from workers.engine.documents.reach import can_reach, out_of_reach
from workers.engine.documents.spec import Places
from workers.engine.documents.two_runs import TwoRunsSpec
from workers.engine.techniques import Technique
from workers.engine.techniques.attribution_patching import refuse_without_gradient
from workers.engine.words import contrast_in_words, listed, places_in_words, would_do_in_words

if TYPE_CHECKING:
    from torch import Tensor

    from workers.engine.documents.model import Dimensions
    from workers.engine.edge_scores import EdgeEstimates
    from workers.engine.setting import Effects, Setting

PROJECTIONS: tuple[Part, ...] = ("q", "k", "v")
SENDERS = ("head", "mlp", "attn", "embed")
RECEIVERS = ("head", "mlp", "logits")
MOST_STEPS = 100


class Spec(TwoRunsSpec):
    """components: the senders, heads (their z), mlp, attn, embed; each at its position, or at all.

    receivers: `9.9.q`, `9.9` (its q, k and v), `mlp.5`, `logits`. direction: which run is patched: the corrupted one
    ("denoise") or the clean one ("noise"). steps, points: of eap_ig_inputs, at k / steps of the way from that run to
    the other, k = 0, 1, … ("left"), 1, 2, … ("right") or 1/2, 3/2, … ("middle").
    """

    receivers: Places = ("logits",)
    method: Literal["eap", "eap_ig_inputs"] = "eap"
    steps: int = Field(default=1, ge=1, le=MOST_STEPS)
    points: Literal["left", "middle", "right"] = "left"

    @model_validator(mode="after")
    def _has_a_gradient(self) -> Self:
        if self.given:
            raise ValueError("gradients are taken on untouched runs: remove given, or use path_patching")
        refuse_without_gradient(self.metric, self.direction == "noise" and self.method == "eap")
        return self

    @model_validator(mode="after")
    def _every_field_counts(self) -> Self:
        if self.method == "eap" and (self.steps, self.points) != (1, "left"):
            raise ValueError("eap takes one gradient: remove steps and points, or write method 'eap_ig_inputs'")
        if self.method == "eap_ig_inputs" and self.steps == 1:
            raise ValueError("eap_ig_inputs takes several gradients: say how many as steps, e.g. 5")
        return self

    @model_validator(mode="after")
    def _names_edges(self) -> Self:
        for text in (*self.components, *self.contrast):
            if not text.startswith("#") and (component(text).kind not in SENDERS or component(text).part):
                raise ValueError(f"{text} is no sender; name heads, mlp, attn or embed as components")
        for text in self.receivers:
            if not text.startswith("#") and (
                component(text).kind not in RECEIVERS or component(text).part == "pattern"
            ):
                raise ValueError(f"{text} is no receiver; name 9.9.q, .k or .v, 9.9 for all three, mlp or logits")
        if not _some_edge(self.components, self.receivers):
            raise ValueError(f"there is no edge from {listed(self.components)} to {listed(self.receivers)}")
        return self

    @property
    def shares(self) -> tuple[float, ...]:
        """At which shares of the way from the patched run to the other gradients are taken."""
        first = {"left": 0.0, "middle": 0.5, "right": 1.0}[self.points]
        return tuple((step + first) / self.steps for step in range(self.steps))

    def out_of_reach(self, dimensions: Dimensions) -> tuple[str, ...]:
        return out_of_reach([component(text) for text in self.receivers], dimensions)


def run(setting: Setting, specs: Sequence[Spec]) -> Effects:
    """Each spec's edges patched together, estimated. The specs differ only in components."""
    from workers.engine.attributing import estimated

    return estimated(setting, specs, _slowly if setting.how == "oracle" else _at_once)


def sentence(spec: Spec) -> str:
    places = places_in_words(spec.components, spec.over)
    gradients = "gradients" if spec.method == "eap" else f"the gradients of {spec.steps} interpolated runs"
    estimating = f"estimating from {gradients} what values of {places} as read by {listed(spec.receivers)}"
    return f"{estimating} {would_do_in_words(spec.base, spec.corruption)}{contrast_in_words(spec.contrast)}"


def passes(spec: Spec) -> int:
    """One run of each kind of prompts, and one there and back for each step; the arms share them."""
    return -(-(2 + 2 * spec.steps) // (1 if spec.over == "group" else max(1, len(spec.components))))


def _receivers(setting: Setting, spec: Spec) -> list[tuple[Component, Tensor | None]]:
    """Each once, a head as its q, k and v."""
    places = dict.fromkeys(place for text in spec.receivers for place in _inputs(component(text)))
    return [(place, setting.at(place)) for place in places]


def _inputs(place: Component) -> Iterator[Component]:
    if place.kind != "head" or place.part is not None:
        yield place
        return
    for part in PROJECTIONS:
        yield replace(place, part=part)


def _at_once(setting: Setting, specs: Sequence[Spec]) -> list[Tensor]:
    """The same runs for all specs."""
    key = (__name__, specs[0].editing(()).sha256)
    found: EdgeEstimates = setting.once(key, lambda: _estimates(setting, specs[0]))

    def estimate(text: str) -> Tensor:
        sender = component(text)
        return found.of(sender, setting.at(sender))

    return [sum((estimate(text) for text in spec.components[1:]), estimate(spec.components[0])) for spec in specs]


def _estimates(setting: Setting, spec: Spec) -> EdgeEstimates:
    from workers.engine.edge_scores import edge_estimates
    from workers.engine.taping import base_of

    source, base = setting.source(spec), setting.base(spec)
    run = base_of(base, base.tokens, source.tokens, setting.answers.reads, base.resid[0])
    receivers = _receivers(setting, spec)
    return edge_estimates(source, run, setting.answers, spec.metric, spec.shares, receivers)


def _slowly(setting: Setting, specs: Sequence[Spec]) -> list[Tensor]:
    """A whole run with plain hooks for each edge and step."""
    from workers.engine.edge_oracle import EdgeOracle

    source, base = setting.source(specs[0]), setting.base(specs[0])
    truth = EdgeOracle(setting.loaded, source.tokens, base.tokens, setting.answers, specs[0].metric)
    senders = [[(component(text), setting.at(component(text))) for text in spec.components] for spec in specs]
    return [truth.slope(some, _receivers(setting, specs[0]), specs[0].shares) for some in senders]


def _some_edge(senders: Sequence[str], receivers: Sequence[str]) -> bool:
    """As far as the text says: groups and wildcards are looked at when they are written out."""
    if any(text.startswith("#") or component(text).is_wildcard for text in (*senders, *receivers)):
        return True
    pairs = itertools.product(map(component, senders), map(component, receivers))
    return any(can_reach(sender, receiver) for sender, receiver in pairs)


TECHNIQUE = Technique(
    version=1,
    spec=Spec,
    causal=False,
    gated=True,
    controlled=True,
    edits=False,
    run=run,
    sentence=sentence,
    passes=passes,
    picture="graph",
)
