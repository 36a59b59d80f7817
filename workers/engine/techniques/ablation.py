"""Ablation: components are made to say nothing about the prompt, and what becomes of the behavior is measured.

`knock_out` asks whether the behavior needs the components; `keep_only` ablates all others of the stated kinds and
asks whether the components are enough (faithfulness). What takes a component's place decides the number and is part
of the spec: `zero` is far from anything the model ever computes; `mean` is the mean over other prompts at the same
token of the same template (or pooled over all tokens); `resample` is what the component computes on another prompt.
Backup components may hide that something is needed. Sources: Wang et al. 2022 (arXiv 2211.00593), section 2.1 (mean
over another distribution); Chan et al. 2022, causal scrubbing (resampling); Marks et al. 2024 (arXiv 2403.19647) and
Mueller et al. 2025 (arXiv 2504.13151) for (edited - floor) / (clean - floor), here `kept`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Self, assert_never

from pydantic import model_validator

from workers.engine.documents import spec
from workers.engine.documents.components import component
from workers.engine.documents.document import Slug
from workers.engine.documents.spec import Ablation, OtherPrompts, Places, Report
from workers.engine.techniques import Technique
from workers.engine.words import contrast_in_words, given_in_words, places_in_words, replacement_in_words

if TYPE_CHECKING:
    from workers.engine.ablating import Ablating, Place
    from workers.engine.setting import Effects, Setting

ABLATED = ("head", "mlp", "neuron", "attn", "resid", "embed")


class Spec(spec.Spec):
    """others: what keep_only ablates beside the components. mean: at the same token of the same template, or pooled.

    mean_over: the prompts that means and resampled values come from (null: the same kind of prompts, drawn apart).
    corruption: they come from these prompts corrupted. value_bias: zero of z as it stands in the weights ("raw"), or
    after the value bias was folded into the output ("folded"), as HookedTransformer means it.
    floor: what `kept` is measured from: everything of the stated kinds ablated, or zero.
    """

    components: Places
    action: Literal["knock_out", "keep_only"] = "knock_out"
    ablation: Ablation = "mean"
    others: Literal["heads", "heads_and_mlps"] = "heads"
    mean: Literal["per_position", "pooled"] = "per_position"
    mean_over: Slug | OtherPrompts | None = None
    value_bias: Literal["raw", "folded"] = "raw"
    floor: Literal["ablated", "zero"] = "ablated"
    report: Report = "change"

    @model_validator(mode="after")
    def _every_field_counts(self) -> Self:
        if self.ablation == "zero" and (self.mean_over is not None or self.mean != "per_position"):
            raise ValueError("zero ablation takes no mean: remove mean and mean_over")
        if self.ablation == "resample" and self.mean != "per_position":
            raise ValueError("resampling takes no mean: remove mean")
        if self.ablation != "zero" and self.value_bias != "raw":
            raise ValueError("value_bias only matters for zero ablation: remove it")
        if self.action == "knock_out" and self.report != "kept" and self.others != "heads":
            raise ValueError("others only matters for keep_only and for the floor of 'kept': remove it")
        if self.report != "kept" and self.floor != "ablated":
            raise ValueError("floor only matters for report 'kept': remove it")
        return self

    @model_validator(mode="after")
    def _can_be_ablated(self) -> Self:
        for text in (*self.components, *self.contrast):
            if not text.startswith("#"):
                _refuse_unablatable(text, self)
        return self

    @property
    def keeps_only(self) -> bool:
        return self.action == "keep_only"

    @property
    def other_prompts(self) -> dict[str, Slug | OtherPrompts]:
        return {} if self.mean_over is None else {"mean_over": self.mean_over}

    @property
    def counts_from_zero(self) -> bool:
        return self.floor == "zero"

    def at_floor(self) -> Self | None:
        """Measured for `kept`, and for keep_only, whose effects are seen from there."""
        if self.action == "knock_out" and (self.report != "kept" or self.floor == "zero"):
            return None
        return self.model_copy(update={"action": "keep_only", "components": (), "contrast": ()})


def run(setting: Setting, specs: Sequence[Spec]) -> Effects:
    """Each spec's components ablated, or kept, together. The specs differ only in components and action."""
    from workers.engine.ablating import ablated, given_edits, require_means

    how, given = _how(specs[0]), given_edits(setting, specs[0].given)
    assert all((_how(spec), spec.given) == (how, specs[0].given) for spec in specs)
    planned = [_places(setting, spec) for spec in specs]
    require_means(setting, [place for places in planned for place in places], how)
    return setting.effects(setting.clean, [[*given, *ablated(setting, places, how)] for places in planned])


def sentence(spec: Spec) -> str:
    places = places_in_words(spec.components, spec.over)
    rest = contrast_in_words(spec.contrast) + given_in_words(spec.given)
    match spec.action:
        case "knock_out":
            return f"replacing {places} by {_replacement(spec)}{rest}"
        case "keep_only":
            others = "heads" if spec.others == "heads" else "heads and MLPs"
            return f"keeping only {places} and replacing all other {others} by {_replacement(spec)}{rest}"
        case _:
            assert_never(spec.action)


def other_kinds(spec: Spec) -> tuple[Spec, ...]:
    """The same components ablated in the other ways: an effect that changes its sign with them depends on the way."""
    usual: dict[str, Any] = {"mean": "per_position", "mean_over": None, "value_bias": "raw"}
    kinds: tuple[Ablation, ...] = ("zero", "mean", "resample")
    return tuple(spec.model_copy(update={**usual, "ablation": kind}) for kind in kinds if kind != spec.ablation)


def _how(spec: Spec) -> Ablating:
    from workers.engine.ablating import Ablating
    from workers.engine.fit import Population

    population = Population("prompts" if spec.mean_over is None else "mean_over", spec.corruption)
    return Ablating(spec.ablation, population, spec.mean, spec.value_bias)


def _places(setting: Setting, spec: Spec) -> list[Place]:
    """What a spec ablates, and where."""
    from workers.engine.ablating import all_others, at_positions

    match spec.action:
        case "knock_out":
            return at_positions(setting, spec.components)
        case "keep_only":
            given = [text for item in spec.given for text in item.components]
            return all_others(setting, [*spec.components, *given], spec.others)
        case _:
            assert_never(spec.action)


def _replacement(spec: Spec) -> str:
    if spec.value_bias == "folded":
        return "zero (value bias folded)"
    return replacement_in_words(spec.ablation, spec.corruption, spec.mean_over, spec.mean)


def _refuse_unablatable(text: str, spec: Spec) -> None:
    place = component(text)
    if place.kind not in ABLATED:
        raise ValueError(f"{text} cannot be ablated; name heads, attn, mlp, neurons, resid or embed")
    if place.part == "pattern" and spec.mean == "pooled":
        raise ValueError(f"{text}: weights of one query mean nothing at another: take mean 'per_position'")
    if spec.value_bias == "folded" and (place.kind != "head" or place.part is not None):
        raise ValueError(f"{text} has no value bias to fold: write value_bias 'raw'")
    kept = ("head",) if spec.others == "heads" else ("head", "mlp")
    if spec.action == "keep_only" and (place.kind not in kept or place.part is not None):
        raise ValueError(f"{text} cannot be kept: keep_only with others {spec.others!r} ablates and keeps {kept} only")


TECHNIQUE = Technique(
    version=2,  # folded zero ablation folds the norm's bias as well
    spec=Spec,
    causal=True,
    gated=True,
    controlled=True,
    edits=True,
    run=run,
    sentence=sentence,
    picture="heads",
    variants=other_kinds,
)
