"""Activation patching: values of one run are put into another whose prompts differ in what matters.

`denoise` puts clean values into the corrupted run and asks what suffices to bring the behavior back; `noise` puts
corrupted values into the clean run and asks what is needed to keep it. The two find different components wherever
several can do the same (OR) or all are required (AND). Holds for prompts whose corruption changes nothing but the
thing in question, token by token; the generators see to it. Probability and KL saturate: prefer logit_diff.
Sources: Meng et al. 2022 (arXiv 2202.05262), Heimersheim and Nanda 2024 (arXiv 2404.15255), whose words these are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self, assert_never

from pydantic import model_validator

from workers.engine.documents.components import component
from workers.engine.documents.two_runs import TwoRunsSpec
from workers.engine.techniques import Technique
from workers.engine.words import contrast_in_words, given_in_words, places_in_words

if TYPE_CHECKING:
    from workers.engine.edit import Edit
    from workers.engine.setting import Effects, Setting

PATCHED = ("head", "mlp", "neuron", "attn", "resid", "embed")


class Spec(TwoRunsSpec):
    """components: heads (z, or their q, k, v), attn, mlp, neurons, resid, embed; each at its position, or at all."""

    @model_validator(mode="after")
    def _can_be_patched(self) -> Self:
        _refuse_unpatchable((*self.components, *self.contrast))
        return self


def run(setting: Setting, specs: Sequence[Spec]) -> Effects:
    """Each spec's components patched together. All specs have one direction and one corruption."""
    from workers.engine.ablating import given_edits
    from workers.engine.edit import read
    from workers.engine.setting import edit

    first = specs[0]
    assert all(
        (spec.base, spec.corruption, spec.given) == (first.base, first.corruption, first.given) for spec in specs
    )
    base, source = setting.base(first), setting.source(first)
    given = given_edits(setting, first.given)

    def patched(text: str) -> Edit:
        place = component(text)
        return edit(place, setting.at(place), read(source, place, None))

    return setting.effects(base, [[*given, *map(patched, spec.components)] for spec in specs])


def sentence(spec: Spec) -> str:
    places = places_in_words(spec.components, spec.over)
    rest = contrast_in_words(spec.contrast) + given_in_words(spec.given)
    match spec.direction:
        case "denoise":
            return f"putting the clean values of {places} into the run on {spec.corruption}-corrupted prompts{rest}"
        case "noise":
            return f"putting the values of {places} on {spec.corruption}-corrupted prompts into the clean run{rest}"
        case _:
            assert_never(spec.direction)


def _refuse_unpatchable(places: tuple[str, ...]) -> None:
    for text in places:
        if not text.startswith("#") and component(text).kind not in PATCHED:
            raise ValueError(f"{text} cannot be patched; name heads, attn, mlp, neurons, resid or embed")


TECHNIQUE = Technique(
    version=1,
    spec=Spec,
    causal=True,
    gated=True,
    controlled=True,
    edits=True,
    run=run,
    sentence=sentence,
    picture="heads",
)
