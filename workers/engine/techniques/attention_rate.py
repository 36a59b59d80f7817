"""Attention rate: at how many positions does a head give an entry more than a stated weight?

The share of a prompt's named entries whose weight exceeds `epsilon`: with the entries `first-token`, the sink rate of
an attention sink. A mean weight would not tell a head that rests on the first token at half of the positions from one
that always gives it half of its weight. Attention is not influence, so this can take a badge away and never give one.
Source: Gu et al. 2024 (arXiv 2410.10781) for the sink metric and its epsilon of 0.3, both from memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, field_validator, model_validator

from workers.engine.documents import spec
from workers.engine.documents.components import component
from workers.engine.documents.reads import require_own_metric, require_untouched
from workers.engine.documents.spec import Places
from workers.engine.techniques import Technique
from workers.engine.techniques.attention_pattern import require_entries
from workers.engine.words import places_in_words

if TYPE_CHECKING:
    from torch import Tensor

    from workers.engine.setting import Effects, Setting


class Spec(spec.Spec):
    """components: attention entries, as 0.3[first-token]. epsilon: the weight that an entry has to exceed."""

    components: Places
    metric: str = "attention_rate"
    report: Literal["raw"] = "raw"
    over: Literal["each", "mean", "min"] = "each"
    epsilon: float = Field(default=0.3, gt=0, lt=1)

    @field_validator("metric")
    @classmethod
    def _known_metric(cls, name: str) -> str:
        return require_own_metric(name, "attention_rate", "attention_rate")

    @model_validator(mode="after")
    def _looks_at_entries(self) -> Self:
        require_entries(self.components)
        require_untouched(self, "attention_rate")
        return self


def run(setting: Setting, specs: Sequence[Spec]) -> Effects:
    """Each spec's entries: the share above epsilon within the prompt."""
    import torch

    from workers.engine.setting import Effect
    from workers.engine.techniques.attention_pattern import entries_of, weights_of

    def rate(text: str, epsilon: float) -> Tensor:
        place = component(text)
        weights = weights_of(setting.pattern, place, entries_of(setting, place))
        return torch.stack([(found > epsilon).double().mean() for found in weights])

    return tuple(
        Effect({"attention_rate": torch.stack([rate(text, spec.epsilon) for text in spec.components]).mean(0).cpu()})
        for spec in specs
    )


def sentence(spec: Spec) -> str:
    places = places_in_words(spec.components, spec.over)
    return f"counting the attention entries of {places} that hold more than {spec.epsilon:g}"


TECHNIQUE = Technique(
    version=1,
    spec=Spec,
    causal=False,
    gated=False,
    controlled=False,
    edits=False,
    run=run,
    sentence=sentence,
)
