"""Direction: a difference in means is ablated from, or added to, the residual stream.

The direction is fitted on prompts apart from those measured: the mean of what stands at `at` over prompts of one kind,
less the mean over prompts of another kind. `ablate` projects it out of the named components and asks whether the
behavior needs it; `add` adds a multiple of the difference itself and asks whether it suffices. Every component is
edited as earlier edits have left it. Named at `embed`, `attn.*` and `mlp.*`, the direction is never written at all,
which is what orthogonalizing the weights does. Its control are random directions of the same length.
Sources: Marks and Tegmark 2023 (arXiv 2310.06824), difference in means; Arditi et al. 2024 (arXiv 2406.11717),
ablation, addition and orthogonalized weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Self, assert_never

from pydantic import Field, model_validator

from workers.engine.documents.fitted import FittedSpec, adds_what_stands_there, fits_at
from workers.engine.documents.spec import Place
from workers.engine.techniques import Technique
from workers.engine.words import contrast_in_words, direction_in_words, given_in_words, places_in_words

if TYPE_CHECKING:
    from workers.engine.edit import Edit
    from workers.engine.setting import Effects, Setting


class Spec(FittedSpec):
    """components: resid, embed, attn or mlp, each at its position, or at all. at: where the direction is fitted.

    coefficient: how many times the difference is added. ablate_to: what is left along the direction, nothing or the
    mean at the same token of other prompts.
    """

    at: Place
    action: Literal["ablate", "add"] = "ablate"
    coefficient: float | None = Field(default=None, ge=-1000, le=1000)
    ablate_to: Literal["zero", "mean"] = "zero"

    @model_validator(mode="after")
    def _every_field_counts(self) -> Self:
        if (self.action == "add") != (self.coefficient is not None):
            raise ValueError("coefficient says how often the difference is added: write it for add, and only there")
        if self.coefficient == 0:
            raise ValueError("coefficient 0 adds nothing: write another")
        if self.action == "add" and self.ablate_to != "zero":
            raise ValueError("ablate_to only matters for ablate: remove it")
        return self

    @model_validator(mode="after")
    def _is_fitted_somewhere(self) -> Self:
        fits_at(self.at)
        return self

    def shows(self, name: str) -> bool:
        return self.coefficient is None or adds_what_stands_there(name, self.at, self.coefficient)

    def power_reference(self, layers: Sequence[int]) -> tuple[str, ...]:
        """The same direction in every layer, at every position."""
        return ("resid.*",)


def run(setting: Setting, specs: Sequence[Spec]) -> Effects:
    """Each spec's components edited together, in one base run. The specs differ in components and random alone."""
    from workers.engine.directions import edited

    return edited(setting, specs, _edits)


def sentence(spec: Spec) -> str:
    direction = direction_in_words(spec.at, (spec.plus, spec.minus), spec.corruption, spec.random)
    places = places_in_words(spec.components, spec.over)
    where = f"{places} in the run on {spec.corruption}-corrupted prompts" if spec.run_on == "corrupted" else places
    rest = contrast_in_words(spec.contrast) + given_in_words(spec.given)
    match spec.action:
        case "ablate":
            left = "" if spec.ablate_to == "zero" else ", down to its mean"
            return f"projecting out {direction} from {where}{left}{rest}"
        case "add":
            return f"adding {spec.coefficient:g} × {direction} to {where}{rest}"
        case _:
            assert_never(spec.action)


def _edits(setting: Setting, spec: Spec) -> list[Edit]:
    from workers.engine.directions import added, difference_of, fitted, projected_out
    from workers.engine.documents.components import component
    from workers.engine.fit import Population

    difference = difference_of(component(spec.at), spec.plus, spec.minus, spec.corruption, spec.random)
    direction, places = fitted(setting.fit, difference), map(component, spec.components)
    match spec.action:
        case "ablate":
            down_to = None if spec.ablate_to == "zero" else Population()
            return [projected_out(setting, place, direction, down_to) for place in places]
        case "add":
            assert spec.coefficient is not None
            return [added(setting, place, spec.coefficient * direction) for place in places]
        case _:
            assert_never(spec.action)


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
