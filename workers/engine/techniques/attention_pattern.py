"""Attention pattern: how much weight a head gives from one position to another.

Tests where a head looks, on the model's own untouched run. Attention is not influence: what a head looks at may not
be written, or be written and ignored, so it can take a badge away and never give one. `9.9[END>IO]` is one weight per
prompt, `9.9[induction]` a set of entries that the prompt generator names, averaged within the prompt.
Source: Wang et al. 2022 (arXiv 2211.00593), figure 3; for induction heads Olsson et al. 2022 (arXiv 2209.11895).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Self

from pydantic import field_validator, model_validator

from workers.engine.documents import spec
from workers.engine.documents.components import Component, component
from workers.engine.documents.spec import Places
from workers.engine.techniques import Technique
from workers.engine.words import places_in_words

if TYPE_CHECKING:
    from torch import Tensor

    from workers.engine.setting import Effects, Setting


class Spec(spec.Spec):
    """components: attention entries. Looked at one by one: `each` must meet the expectation, or their mean or least."""

    components: Places
    metric: str = "attention"
    report: Literal["raw"] = "raw"
    over: Literal["each", "mean", "min"] = "each"

    @field_validator("metric")
    @classmethod
    def _known_metric(cls, name: str) -> str:
        if name != "attention":
            raise ValueError("attention_pattern measures attention weights: its metric is 'attention'")
        return name

    @model_validator(mode="after")
    def _looks_at_entries(self) -> Self:
        for text in self.components:
            if text.startswith("#") or component(text).kind != "entry":
                raise ValueError(
                    f"{text} is no attention entry; write 9.9[QUERY>KEY], or a named set as 9.9[induction]"
                )
        if self.given or self.contrast or self.corruption:
            raise ValueError("attention is read on the untouched run: remove given, contrast and corruption")
        return self


def run(setting: Setting, specs: Sequence[Spec]) -> Effects:
    """Each spec's entries, averaged within the prompt."""
    import torch

    from workers.engine.setting import Effect

    def weight(text: str) -> Tensor:
        place = component(text)
        assert place.layer is not None and place.head is not None
        pattern = setting.pattern(place.layer)[:, place.head]  # (batch, query, key)
        return torch.stack([_mean(pattern[i], entries) for i, entries in enumerate(_entries(setting, place))])

    weights = [torch.stack([weight(text) for text in spec.components]).mean(0) for spec in specs]  # each (batch,)
    return tuple(Effect({"attention": found.double().cpu()}) for found in weights)


def sentence(spec: Spec) -> str:
    return f"reading the attention weight of {places_in_words(spec.components, spec.over)}"


def _mean(pattern: Tensor, entries: tuple[tuple[int, int], ...]) -> Tensor:
    """pattern (query, key) -> (): the mean weight of the entries."""
    queries, keys = zip(*entries, strict=True)
    return pattern[list(queries), list(keys)].mean()


def _entries(setting: Setting, place: Component) -> list[tuple[tuple[int, int], ...]]:
    """Per prompt the (query, key) indices meant; raises Refused, naming the prompt that lacks them."""
    from workers.engine.prompts import Refused
    from workers.engine.setting import index_of

    assert place.entry is not None
    found: list[tuple[tuple[int, int], ...]] = []
    for prompt in setting.prompts:
        if place.entry.query is not None and place.entry.key is not None:
            found.append(((index_of(prompt, place.entry.query), index_of(prompt, place.entry.key)),))
        elif prompt.entries.get(str(place.entry)):
            found.append(prompt.entries[str(place.entry)])
        else:
            raise Refused(f"{prompt.text!r} names no attention entries {place.entry}")
    return found


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
