"""Probe: can something be told from a component's activations by a linear classifier?

A logistic regression is fitted on activations of separate prompts and tried on the measured ones; whichever half of
all possible prompts a prompt belongs to, the probe that tells it was fitted on the other half. Told apart are clean
prompts and those of a corruption (`told_from`), or the prompts' right answers. The control task gives every token at
`control_at` a label at random: `probe_selectivity` is the accuracy less that of the control, what the probe did not
merely learn by heart. What can be told need not be used: a probe can take a badge away and never give one.
Sources: Alain and Bengio 2016 (arXiv 1610.01644), linear probes; Hewitt and Liang 2019 (arXiv 1909.03368), control
tasks and selectivity; Belinkov 2021 (arXiv 2102.12452) on what probes do and do not show.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, field_validator, model_validator

from workers.engine.documents import spec
from workers.engine.documents.components import component, position_of
from workers.engine.documents.document import Slug
from workers.engine.documents.reads import PositionText
from workers.engine.documents.spec import Places
from workers.engine.techniques import Technique
from workers.engine.words import contrast_in_words, places_in_words

if TYPE_CHECKING:
    from torch import Tensor

    from workers.engine.probing import Probe
    from workers.engine.setting import Effects, Setting

PROBED = ("resid", "embed", "attn", "mlp", "head", "neuron")
METRICS = ("probe_selectivity", "probe_accuracy")


class Spec(spec.Spec):
    """components: resid, attn, mlp, heads (z) or neurons, each at a position; several in a group are read side by side.

    told_from: the corruption that is told from clean prompts (null: the right answers are told apart). l2: half of it
    times the squared weights is added to the summed cross-entropy, of standardized features. control_at: the position
    whose token the control task's labels depend on (null: that of the first component).
    """

    components: Places
    metric: str = "probe_selectivity"
    report: Literal["raw"] = "raw"
    told_from: Slug | None = None
    l2: float = Field(default=1.0, gt=0, le=1e6)
    control_at: PositionText | None = None

    @field_validator("metric")
    @classmethod
    def _known_metric(cls, name: str) -> str:
        if name not in METRICS:
            raise ValueError(f"a probe brings numbers of its own: its metric is {' or '.join(METRICS)}")
        return name

    @model_validator(mode="after")
    def _is_a_probe(self) -> Self:
        if self.metric == "probe_accuracy" and self.told_from is None:
            raise ValueError("probe_accuracy is of two kinds, of which half are right by chance: name told_from")
        if self.metric == "probe_accuracy" and self.control_at is not None:
            raise ValueError("control_at only matters for probe_selectivity: remove it")
        if self.given or self.corruption:
            raise ValueError("a probe reads untouched runs: remove given and corruption; told_from names what is told")
        for text in (*self.components, *self.contrast):
            if not text.startswith("#") and not _is_probed(text):
                raise ValueError(f"{text} cannot be probed; name resid, attn, mlp, heads or neurons, each @ a position")
        return self


def run(setting: Setting, specs: Sequence[Spec]) -> Effects:
    """Each spec's components read side by side, and told."""
    from workers.engine.setting import Effect

    return tuple(Effect({spec.metric: _number(setting, spec).cpu()}) for spec in specs)


def sentence(spec: Spec) -> str:
    told = "the right answers" if spec.told_from is None else f"clean and {spec.told_from}-corrupted prompts"
    places = places_in_words(spec.components, spec.over)
    beyond = "" if spec.metric == "probe_accuracy" else ", beyond what a control task can learn by heart"
    return f"telling {told} by a linear probe of {places}{beyond}{contrast_in_words(spec.contrast)}"


def _number(setting: Setting, spec: Spec) -> Tensor:
    """(batch,)."""
    from workers.engine.probing import accuracy

    probe = _probe(spec)
    found = accuracy(setting, probe, "labels")
    return found if spec.metric == "probe_accuracy" else found - accuracy(setting, probe, "control")


def _probe(spec: Spec) -> Probe:
    from workers.engine.probing import Probe

    places = tuple(map(component, spec.components))
    at = position_of(spec.control_at, spec.control_at) if spec.control_at else places[0].position
    assert at is not None, "every component has a position"
    return Probe(places, spec.told_from, spec.l2, at)


def _is_probed(text: str) -> bool:
    place = component(text)
    return place.kind in PROBED and place.part is None and place.position is not None


TECHNIQUE = Technique(
    version=1,
    spec=Spec,
    causal=False,
    gated=False,
    controlled=False,
    edits=False,
    run=run,
    sentence=sentence,
    fits=2,
    picture="layers",
)
