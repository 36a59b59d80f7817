"""Attention pattern: how much weight a head gives from one position to another.

Tests where a head looks, on the model's own untouched run. Attention is not influence: what a head looks at may not
be written, or be written and ignored, so it can take a badge away and never give one. `9.9[END>IO]` is one weight per
prompt, `9.9[induction]` a set of entries that the prompt generator names, averaged within the prompt.
Source: Wang et al. 2022 (arXiv 2211.00593), figure 3; for induction heads Olsson et al. 2022 (arXiv 2209.11895).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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

Entries = tuple[tuple[int, int], ...]
"""(query, key) indices within one prompt."""


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
        require_entries(self.components)
        if self.given or self.contrast or self.corruption:
            raise ValueError("attention is read on the untouched run: remove given, contrast and corruption")
        return self


def run(setting: Setting, specs: Sequence[Spec]) -> Effects:
    """Each spec's entries, averaged within the prompt."""
    import torch

    from workers.engine.setting import Effect

    def weight(text: str) -> Tensor:
        place = component(text)
        weights = weights_of(setting.pattern, place, entries_of(setting, place))
        return torch.stack([found.mean() for found in weights])

    weights = [torch.stack([weight(text) for text in spec.components]).mean(0) for spec in specs]  # each (batch,)
    return tuple(Effect({"attention": found.double().cpu()}) for found in weights)


def sentence(spec: Spec) -> str:
    return f"reading the attention weight of {places_in_words(spec.components, spec.over)}"


def require_entries(places: tuple[str, ...]) -> None:
    for text in places:
        if text.startswith("#") or component(text).kind != "entry":
            raise ValueError(f"{text} is no attention entry; write 9.9[QUERY>KEY], or a named set as 9.9[induction]")


def weights_of(pattern: Callable[[int], Tensor], place: Component, entries: Sequence[Entries]) -> list[Tensor]:
    """Per prompt the weights of its entries, (n,). pattern: layer -> (batch, heads, query, key)."""
    assert place.layer is not None and place.head is not None
    seen = pattern(place.layer)[:, place.head]  # (batch, query, key)
    indices = [tuple(map(list, zip(*some, strict=True))) for some in entries]
    return [seen[i, queries, keys] for i, (queries, keys) in enumerate(indices)]


def entries_of(setting: Setting, place: Component) -> list[Entries]:
    """Per prompt the (query, key) indices meant; raises Refused, naming the prompt that lacks them."""
    from workers.engine.prompts import Refused
    from workers.engine.setting import index_of

    assert place.entry is not None
    found: list[Entries] = []
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
