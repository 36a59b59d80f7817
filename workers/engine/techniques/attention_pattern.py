"""Attention pattern: how much weight a head gives from one position to another.

Tests where a head looks, on the model's own untouched run. Attention is not influence: what a head looks at may not
be written, or be written and ignored, so it can take a badge away and never give one. `9.9[END>IO]` is one weight per
prompt, `9.9[induction]` a set of entries that the prompt generator names, averaged within the prompt.
Source: Wang et al. 2022 (arXiv 2211.00593), figure 3; for induction heads Olsson et al. 2022 (arXiv 2209.11895).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workers.engine.documents.components import component
from workers.engine.documents.reads import ReadingSpec
from workers.engine.techniques import Technique
from workers.engine.words import places_in_words

if TYPE_CHECKING:
    from torch import Tensor

    from workers.engine.setting import Effects, Setting


class Spec(ReadingSpec):
    """components: attention entries, as 9.9[END>IO] or 9.9[induction]."""

    READS = "entries"
    metric: str = "attention"


def run(setting: Setting, specs: Sequence[Spec]) -> Effects:
    """Each spec's entries, averaged within the prompt."""
    import torch

    from workers.engine.attention_entries import entries_of, weights_of
    from workers.engine.setting import averaged

    def weight(text: str, spec: Spec) -> Tensor:
        place = component(text)
        weights = weights_of(setting.pattern, place, entries_of(setting, place))
        return torch.stack([found.mean() for found in weights])

    return averaged(specs, weight)


def sentence(spec: Spec) -> str:
    return f"reading the attention weight of {places_in_words(spec.components, spec.over)}"


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
