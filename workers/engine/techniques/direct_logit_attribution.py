"""Direct logit attribution: what a component itself adds to the right answer's logit, through no other component.

The residual stream is the sum of what the embedding, the heads and the MLPs write, and the logits are linear in it
once the final norm's scale is held as it is in the run. Read where the answers are read. A post-norm between a
component and the stream (Gemma 2 and 3, OLMo 2) is held likewise, so a head's share is not simply z W_O there. Scales
and soft caps of the logits come after: what is attributed is the logit before them. The constant biases of the final
norm and of the unembedding are the component `logits`. All of `embed`, `attn.*`, `mlp.*` and `logits` sum to the logit.
What a component does by way of later ones does not count, so this can take a badge away and never give one.
Sources: Elhage et al. 2021 (transformer-circuits.pub/2021/framework); Wang et al. 2022 (arXiv 2211.00593).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Self

from pydantic import model_validator

from workers.engine.documents import spec
from workers.engine.documents.components import component
from workers.engine.documents.spec import Places
from workers.engine.techniques import Technique
from workers.engine.words import contrast_in_words, places_in_words

if TYPE_CHECKING:
    from torch import Tensor

    from workers.engine.setting import Effects, Setting

WRITERS = ("head", "mlp", "neuron", "attn", "resid", "embed", "logits")
LINEAR = ("logit", "logit_diff")


class Spec(spec.Spec):
    """components: heads, attn, mlp, neurons, embed; resid.N (all that was written before it); logits (the constants).

    A position may be named where an answer is read, no other.
    """

    components: Places
    report: Literal["raw"] = "raw"

    @model_validator(mode="after")
    def _is_linear(self) -> Self:
        if self.metric not in LINEAR:
            raise ValueError(f"{self.metric} is not linear in what components write: attribute {' or '.join(LINEAR)}")
        if self.given or self.corruption:
            raise ValueError("contributions are read off the untouched run: remove given and corruption")
        for text in (*self.components, *self.contrast):
            if not text.startswith("#"):
                _refuse_unwritten(text)
        return self


def run(setting: Setting, specs: Sequence[Spec]) -> Effects:
    """Each spec's components' contributions, summed."""
    from workers.engine.setting import Effect

    def contributed(text: str, metric: str) -> Tensor:
        place = component(text)
        found: Tensor = setting.once(("contribution", place, metric), lambda: _contribution(setting, text, metric))
        return found

    def effect(spec: Spec) -> Effect:
        first, *rest = (contributed(text, spec.metric) for text in spec.components)
        return Effect({spec.metric: sum(rest, start=first).double().cpu()})

    return tuple(map(effect, specs))


def sentence(spec: Spec) -> str:
    places = places_in_words(spec.components, spec.over)
    return f"reading what {places} directly adds to the logits{contrast_in_words(spec.contrast)}"


def _contribution(setting: Setting, text: str, metric: str) -> Tensor:
    """(batch,)."""
    from workers.engine.reading_by_hand import contribution_by_hand
    from workers.engine.reading_out import contribution

    if setting.how == "oracle":
        return contribution_by_hand(setting, component(text), metric)
    return contribution(setting, component(text), metric)


def _refuse_unwritten(text: str) -> None:
    place = component(text)
    if place.kind not in WRITERS or place.part is not None:
        raise ValueError(f"{text} writes nothing to the logits; name heads, attn, mlp, neurons, resid, embed or logits")


TECHNIQUE = Technique(
    version=1,
    spec=Spec,
    causal=False,
    gated=True,
    controlled=True,
    edits=False,
    run=run,
    sentence=sentence,
    picture="bars",
)
