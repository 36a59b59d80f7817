"""Attention spread: does a head's attention move when nothing but the content of the prompt changes?

Every prompt is compared with another one of the same template and length: the mean, over the named entries, of how far
the weight at one and the same (query, key) differs between the two. A positional head looks by position, so its spread
is next to 0 while its weight, which `attention_pattern` measures, is large; a head that never looks there has no
spread either, so the two claims belong together. For normally distributed weights the mean difference of two prompts
is 2 / sqrt(pi) = 1.13 times the standard deviation over prompts. Largest possible is 1, which counts as nothing shown.
Source: the docstring circuit's positional heads (Heimersheim and Janiak 2023, Alignment Forum).
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
    """components: attention entries, as 0.3[previous-token]."""

    READS = "entries"
    metric: str = "attention_spread"


def run(setting: Setting, specs: Sequence[Spec]) -> Effects:
    """Each spec's entries: the mean distance to the other prompt's weights, within the prompt."""
    import torch

    from workers.engine.attention_entries import entries_of, weights_of
    from workers.engine.fit import Population
    from workers.engine.setting import averaged

    others = setting.donors(Population())

    def spread(text: str, spec: Spec) -> Tensor:
        place = component(text)
        entries = entries_of(setting, place)
        here = weights_of(setting.pattern, place, entries)
        there = weights_of(lambda layer: setting.pattern_of(others, layer), place, entries)
        return torch.stack([(one - other).abs().double().mean() for one, other in zip(here, there, strict=True)])

    return averaged(specs, spread)


def sentence(spec: Spec) -> str:
    places = places_in_words(spec.components, spec.over)
    return f"comparing the attention weight of {places} with that on another prompt of the same layout"


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
