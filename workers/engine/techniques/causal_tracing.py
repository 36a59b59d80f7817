"""Causal tracing: the embeddings of some tokens are noised, and clean values put back where the fact may be recalled.

Gaussian noise is added to what enters layer 0 at the noised positions, so that the model no longer knows which subject
is meant; one component's clean value at a time is then restored and the share of the answer recovered. The noised run
is the corrupted arm; every number is the mean over the draws of noise, which depend on prompt and draw alone. Noise
takes the run off what the model knows: where prompts with another subject can be stated, activation patching is the
cleaner test, and the two may disagree (Zhang and Nanda 2023, arXiv 2309.16042). Where a state is restored is not where
an edit of the weights works best (Hase et al. 2023, arXiv 2301.04213).
Source: Meng et al. 2022 (arXiv 2202.05262).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from workers.engine.documents import spec
from workers.engine.documents.components import Component, component
from workers.engine.documents.spec import Base, Places, Report
from workers.engine.techniques import Technique
from workers.engine.words import contrast_in_words, given_in_words, listed, places_in_words

if TYPE_CHECKING:
    from workers.engine.documents.model import Dimensions
    from workers.engine.edit import Edit
    from workers.engine.noising import Noise
    from workers.engine.setting import Effect, Effects, Setting

RESTORED = ("resid", "attn", "mlp")


class Spec(spec.Spec):
    """components: resid, attn or mlp, restored at their position, or at all. noised: embed at the subject's positions.

    sigmas: the noise's standard deviation, in those of all entries of the embedding matrix. draws: of noise, averaged.
    window: restored are so many layers around a component's (attn and mlp): layer - window // 2 and those after it.
    """

    components: Places
    noised: Places
    sigmas: float = Field(default=3.0, gt=0, le=100)
    draws: int = Field(default=10, ge=1, le=100)
    window: int = Field(default=1, ge=1, le=100)
    report: Report = "recovered"

    @model_validator(mode="after")
    def _noise_corrupts(self) -> Self:
        if self.corruption is not None:
            raise ValueError("causal tracing corrupts by noise: remove corruption, or use activation patching")
        if self.report == "kept":
            raise ValueError("report 'kept' belongs to ablation; causal tracing reports 'recovered'")
        return self

    @model_validator(mode="after")
    def _restores_what_noise_changed(self) -> Self:
        for text in self.noised:
            if not _is_noisable(text):
                raise ValueError(f"noised: {text} is no embedding at a position; write the subject's as embed@S1")
        for text in (*self.components, *self.contrast):
            if not text.startswith("#"):
                _refuse_unrestorable(component(text), self.window)
        return self

    def shows(self, name: str) -> bool:
        """Of several layers restored together any one may have brought it back."""
        return self.window == 1

    def out_of_reach(self, dimensions: Dimensions) -> tuple[str, ...]:
        """Where noise enters, restoring undoes it, and elsewhere does nothing."""
        return ("resid.0",)

    @property
    def base(self) -> Base:
        return "corrupted"

    @property
    def has_corrupted_run(self) -> bool:
        return True


def run(setting: Setting, specs: Sequence[Spec]) -> Effects:
    """Each spec's components restored together in the noised run. The specs differ in components alone."""
    from workers.engine.noising import restored

    first = specs[0]
    same = {"components": first.components, "contrast": first.contrast}
    assert all(spec.model_copy(update=same) == first for spec in specs)
    return restored(setting, _noise(first), [_edits(setting, spec) for spec in specs], first.given)


def sentence(spec: Spec) -> str:
    places = places_in_words(spec.components, spec.over)
    around = f" and the layers around, {spec.window} in all," if spec.window > 1 else ""
    noise = listed(text.partition("@")[2] for text in spec.noised)
    rest = contrast_in_words(spec.contrast) + given_in_words(spec.given)
    return (
        f"restoring the clean values of {places}{around} after noise of {spec.sigmas:g} standard deviations on the "
        f"embeddings of {noise}{rest}"
    )


def noised_arm(setting: Setting, spec: Spec) -> Effect:
    from workers.engine.noising import noised

    return noised(setting, _noise(spec), spec.given)


def runs_of_one_arm(spec: Spec) -> int:
    return spec.draws


def _noise(spec: Spec) -> Noise:
    from workers.engine.noising import Noise

    return Noise(tuple(map(component, spec.noised)), spec.sigmas, spec.draws)


def _edits(setting: Setting, spec: Spec) -> list[Edit]:
    from workers.engine.edit import read
    from workers.engine.setting import edit

    places = dict.fromkeys(
        place for text in spec.components for place in _around(component(text), spec.window, setting.loaded.layers)
    )
    return [edit(place, setting.at(place), read(setting.clean, place, None)) for place in places]


def _around(place: Component, window: int, layers: int) -> Iterator[Component]:
    assert place.layer is not None
    start = place.layer - window // 2
    for layer in range(max(0, start), min(layers + (place.kind == "resid"), start + window)):
        yield replace(place, layer=layer)


def _is_noisable(text: str) -> bool:
    place = None if text.startswith("#") else component(text)
    return place is not None and place.kind == "embed" and place.position is not None


def _refuse_unrestorable(place: Component, window: int) -> None:
    if place.kind not in RESTORED:
        raise ValueError(f"{place} cannot be restored; name resid, attn or mlp at a position")
    if place.kind == "resid" and place.layer == 0:
        raise ValueError(f"{place} is where the noise is added: restoring it undoes the noise; name a later layer")
    if place.kind == "resid" and window > 1:
        raise ValueError("window only matters for attn and mlp: a residual stream holds all the layers before it")


TECHNIQUE = Technique(
    version=1,
    spec=Spec,
    causal=True,
    gated=True,
    controlled=True,
    edits=True,
    run=run,
    sentence=sentence,
    passes=runs_of_one_arm,
    picture="positions",
    corrupted=noised_arm,
)
