"""Steering: a multiple of a fitted direction is added to the residual stream, to see which way the model then goes.

The direction is the difference in means of two kinds of prompts at the place where it is added (or at `at`); kinds of
a single prompt each make it the difference of a stated pair, as in activation addition, of which one position is
taken here. The coefficient counts differences, or typical lengths of the residual stream there. A direction large
enough breaks any model: compare with random directions of the same length, which is the control, and with the effect
of the opposite sign. Sources: Turner et al. 2023 (arXiv 2308.10248), activation addition; Rimsky et al. 2023
(arXiv 2312.06681), means over contrastive pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from workers.engine.documents.components import component
from workers.engine.documents.fitted import FittedSpec, adds_what_stands_there, fits_at
from workers.engine.documents.spec import Place
from workers.engine.techniques import Technique
from workers.engine.words import contrast_in_words, direction_in_words, given_in_words, places_in_words

if TYPE_CHECKING:
    from workers.engine.edit import Edit
    from workers.engine.setting import Effects, Setting


class Spec(FittedSpec):
    """components: resid, embed, attn or mlp. at: where the direction is fitted (null: where it is added).

    coefficient: how many times it is added; negative away from plus. counted_in: the difference as it is, or the mean
    length of what stands at `at` on the prompts of plus.
    """

    coefficient: float = Field(ge=-1000, le=1000)
    counted_in: Literal["differences", "lengths"] = "differences"
    at: Place | None = None

    @model_validator(mode="after")
    def _steers(self) -> Self:
        if self.coefficient == 0:
            raise ValueError("coefficient 0 adds nothing: write another")
        return self

    @model_validator(mode="after")
    def _is_fitted_somewhere(self) -> Self:
        places = (*self.components, *self.contrast) if self.at is None else (self.at,)
        for text in places:
            if self.at is not None or not text.startswith("#"):
                fits_at(text)
        return self

    def shows(self, name: str) -> bool:
        return self.counted_in == "differences" and adds_what_stands_there(name, self.at or name, self.coefficient)

    def power_reference(self, layers: Sequence[int]) -> tuple[str, ...]:
        """The same in every layer, at the same positions."""
        return tuple(f"resid.*@{at}" if at else "resid.*" for at in map(_position, self.components))


def run(setting: Setting, specs: Sequence[Spec]) -> Effects:
    """Each spec's components steered together, in one base run. The specs differ in components and random alone."""
    from workers.engine.directions import edited

    return edited(setting, specs, _edits)


def sentence(spec: Spec) -> str:
    direction = direction_in_words(spec.at or "that place", (spec.plus, spec.minus), spec.corruption, spec.random)
    places = places_in_words(spec.components, spec.over)
    where = f"{places} in the run on {spec.corruption}-corrupted prompts" if spec.run_on == "corrupted" else places
    counted = "" if spec.counted_in == "differences" else " the length of the residual stream along"
    rest = contrast_in_words(spec.contrast) + given_in_words(spec.given)
    return f"steering {where} by {spec.coefficient:g} ×{counted} {direction}{rest}"


def _position(text: str) -> str:
    return text.partition("@")[2]


def _edits(setting: Setting, spec: Spec) -> list[Edit]:
    from workers.engine.directions import added, difference_of, fitted, typical_length, unit

    edits = []
    for text in spec.components:
        difference = difference_of(component(spec.at or text), spec.plus, spec.minus, spec.corruption, spec.random)
        vector = fitted(setting.fit, difference)
        if spec.counted_in == "lengths":
            vector = unit(vector) * typical_length(setting.fit, difference.at, difference.plus)
        edits.append(added(setting, component(text), spec.coefficient * vector))
    return edits


TECHNIQUE = Technique(
    version=1,
    spec=Spec,
    causal=True,
    gated=True,
    controlled=True,
    edits=True,
    run=run,
    sentence=sentence,
    fits=2,
    picture="layers",
    alternative=Spec.along_a_random_direction,
)
