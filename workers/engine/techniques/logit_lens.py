"""Logit lens: what the model would answer if it stopped at an earlier layer.

The residual stream entering a layer goes through the final norm and the unembedding, and any metric is read off it.
It asks at which layer the answer stands there for the unembedding to read; that it cannot be read earlier does not mean
that it is not there in another basis, and early layers of some models read as nonsense (Belrose et al. 2023, arXiv
2303.08112, whose tuned lens corrects for both). Nothing is edited: it can take a badge away and never give one.
Source: nostalgebraist 2020, "interpreting GPT: the logit lens" (lesswrong.com/posts/AcKRB8wDpdaN6v6ru).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Self

from pydantic import model_validator

from workers.engine.documents import spec
from workers.engine.documents.components import Component, component
from workers.engine.documents.spec import Places
from workers.engine.techniques import Technique
from workers.engine.words import contrast_in_words, places_in_words

if TYPE_CHECKING:
    from torch import Tensor

    from workers.engine.setting import Effect, Effects, Setting


class Spec(spec.Spec):
    """components: resid.N, read where the answers are read, or at the position named. kl is to the model's own end."""

    components: Places
    report: Literal["raw"] = "raw"
    over: Literal["each", "mean", "min"] = "each"

    @model_validator(mode="after")
    def _reads_streams(self) -> Self:
        for text in (*self.components, *self.contrast):
            if not text.startswith("#") and component(text).kind not in ("resid", "embed"):
                raise ValueError(f"{text} is no residual stream; the lens reads resid.5, resid.* or embed")
        if self.given or self.corruption:
            raise ValueError("the lens reads the untouched run: remove given and corruption")
        if len(self.contrast) > 1:
            raise ValueError("the lens compares with one residual stream: name a single one in contrast")
        return self


def run(setting: Setting, specs: Sequence[Spec]) -> Effects:
    """Each spec's one residual stream, read as if it entered the final norm."""
    return tuple(_reading(setting, component(_only(spec))) for spec in specs)


def sentence(spec: Spec) -> str:
    places = places_in_words(spec.components, spec.over)
    return f"unembedding the residual stream of {places}{contrast_in_words(spec.contrast)}"


def _only(spec: Spec) -> str:
    (text,) = spec.components
    return text


def _reading(setting: Setting, place: Component) -> Effect:
    effect: Effect = setting.once(("lens", place), lambda: _read(setting, place))
    return effect


def _read(setting: Setting, place: Component) -> Effect:
    from dataclasses import replace

    from workers.engine.documents.components import Component
    from workers.engine.edit import Edit, read

    run, at = setting.clean, setting.at(place)
    resid = read(run, place, at)  # (batch, d_model), or (batch, pos, d_model)
    if setting.how == "oracle":
        # the model's own end, given that stream in place of its last
        everywhere = resid if at is None else resid[:, None].expand_as(run.resid[0])
        ended = setting.effects(run, [[Edit(Component("resid", setting.loaded.layers), None, everywhere)]])[0]
        return replace(ended, largest_change=None)
    return setting.reading(_at_reads(resid, setting.answers.reads))


def _at_reads(resid: Tensor, reads: Tensor) -> Tensor:
    """(batch, n_reads, d_model): of resid (batch, pos, d_model), or (batch, d_model) once for each read."""
    if resid.ndim == 2:
        return resid[:, None].expand(-1, reads.shape[1], -1)
    return resid.gather(1, reads[:, :, None].expand(-1, -1, resid.shape[-1]))


TECHNIQUE = Technique(
    version=1,
    spec=Spec,
    causal=False,
    gated=True,
    controlled=False,
    edits=False,
    run=run,
    sentence=sentence,
    picture="layers",
)
