"""Attention rate: at how many positions does a head give an entry more than a stated weight?

The share of a prompt's named entries whose weight exceeds `epsilon`: with the entries `first-token`, the sink rate of
an attention sink. A mean weight would not tell a head that rests on the first token at half of the positions from one
that always gives it half of its weight. Attention is not influence, so this can take a badge away and never give one.
Source: Gu et al. 2024 (arXiv 2410.10781) for the sink metric and its epsilon of 0.3, both from memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from workers.engine.documents.components import component
from workers.engine.documents.reads import ReadingSpec
from workers.engine.techniques import Technique
from workers.engine.words import places_in_words

if TYPE_CHECKING:
    from torch import Tensor

    from workers.engine.setting import Effects, Setting


class Spec(ReadingSpec):
    """components: attention entries, as 0.3[first-token]. epsilon: the weight that an entry has to exceed."""

    READS = "entries"
    metric: str = "attention_rate"
    epsilon: float = Field(default=0.3, gt=0, lt=1)


def run(setting: Setting, specs: Sequence[Spec]) -> Effects:
    """Each spec's entries: the share above epsilon within the prompt."""
    import torch

    from workers.engine.attention_entries import entries_of, weights_of
    from workers.engine.setting import averaged

    def rate(text: str, spec: Spec) -> Tensor:
        place = component(text)
        weights = weights_of(setting.pattern, place, entries_of(setting, place))
        return torch.stack([(found > spec.epsilon).double().mean() for found in weights])

    return averaged(specs, rate)


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
