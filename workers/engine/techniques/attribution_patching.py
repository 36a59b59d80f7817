"""Attribution patching: activation patching of every component at once, estimated to first order from one gradient.

The estimate is the difference of the two runs times the gradient of the metric in the run that would be patched, summed
over a component's positions and entries. It is exact where the metric is linear in the component between the two runs,
and wrong where something on the way saturates: a softmax that has made up its mind passes no gradient on, and a norm
whose input would change much is taken for a straight line. It finds candidates; activation patching shows them. The
arm's number is the estimated metric after the patch. Of several components together it is the sum of each one's own
estimate, so that what one of them does through another is counted with both.
Sources: Nanda 2023, "Attribution Patching: Activation Patching At Industrial Scale"; Syed et al. 2023 (arXiv
2310.10348), equation 1; Kramár et al. 2024 (arXiv 2403.00745), AtP*, for both ways of failing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from pydantic import model_validator

from workers.engine.documents.components import component
from workers.engine.documents.two_runs import TwoRunsSpec
from workers.engine.techniques import Technique
from workers.engine.words import contrast_in_words, places_in_words, would_do_in_words

if TYPE_CHECKING:
    from torch import Tensor

    from workers.engine.attributing import Attributions
    from workers.engine.edit import Site
    from workers.engine.setting import Effects, Setting

ATTRIBUTED = ("head", "mlp", "neuron", "attn", "resid", "embed")
DIFFERENTIABLE = ("logit_diff", "logit", "prob", "logprob", "loss", "kl")
RUNS = 4  # one of each kind of prompts, one to be differentiated, and back


class Spec(TwoRunsSpec):
    """components: heads (z, or their q, k, v), attn, mlp, neurons, resid, embed; each at its position, or at all.

    direction: which run is patched and differentiated: the corrupted one ("denoise") or the clean one ("noise").
    """

    @model_validator(mode="after")
    def _has_a_gradient(self) -> Self:
        if self.given:
            raise ValueError("gradients are taken on untouched runs: remove given, or use activation_patching")
        refuse_without_gradient(self.metric, self.direction == "noise")
        return self

    @model_validator(mode="after")
    def _can_be_attributed_to(self) -> Self:
        for text in (*self.components, *self.contrast):
            place = None if text.startswith("#") else component(text)
            if place and (place.kind not in ATTRIBUTED or place.part == "pattern"):
                raise ValueError(f"{text} has no attribution; name heads, attn, mlp, neurons, resid or embed")
        return self


def refuse_without_gradient(metric: str, at_clean: bool) -> None:
    if metric not in DIFFERENTIABLE:
        raise ValueError(f"{metric} has no useful gradient; take one of {', '.join(DIFFERENTIABLE)}")
    if metric == "kl" and at_clean:
        raise ValueError(
            "KL from the clean run is least, and its gradient 0, at the clean run itself: "
            "write direction 'denoise', or take logit_diff"
        )


def run(setting: Setting, specs: Sequence[Spec]) -> Effects:
    """Each spec's components patched together, estimated. The specs differ only in components."""
    from workers.engine.attributing import estimated

    return estimated(setting, specs, _slowly if setting.how == "oracle" else _at_once)


def sentence(spec: Spec) -> str:
    places = places_in_words(spec.components, spec.over)
    estimating = f"estimating from gradients what values of {places}"
    return f"{estimating} {would_do_in_words(spec.base, spec.corruption)}{contrast_in_words(spec.contrast)}"


def passes(spec: Spec) -> int:
    """The arms share their runs."""
    return -(-RUNS // (1 if spec.over == "group" else max(1, len(spec.components))))


def _at_once(setting: Setting, specs: Sequence[Spec]) -> list[Tensor]:
    """One run forward and one back for all specs."""
    from workers.engine.attributing import KEPT
    from workers.engine.edit import place

    wanted = {place(setting.loaded, component(text)).site for spec in specs for text in spec.components}
    sites = frozenset({*KEPT, *wanted})
    key = (__name__, specs[0].editing(()).sha256, sites)
    found: Attributions = setting.once(key, lambda: _attributions(setting, specs[0], sites))

    def estimate(text: str) -> Tensor:
        here = component(text)
        return found.of(here, setting.at(here))

    return [sum((estimate(text) for text in spec.components[1:]), estimate(spec.components[0])) for spec in specs]


def _attributions(setting: Setting, spec: Spec, sites: frozenset[Site]) -> Attributions:
    from workers.engine.attributing import attributions
    from workers.engine.taping import base_of

    source, base = setting.source(spec), setting.base(spec)
    run = base_of(base, base.tokens, source.tokens, setting.answers.reads, base.resid[0])
    return attributions(source, run, setting.answers, spec.metric, sites)


def _slowly(setting: Setting, specs: Sequence[Spec]) -> list[Tensor]:
    """A whole run with plain hooks for each spec."""
    from workers.engine.attributing import slope_along
    from workers.engine.edit import Edit, read
    from workers.engine.setting import edit

    source, base = setting.source(specs[0]), setting.base(specs[0])

    def change(text: str) -> Edit:
        place = component(text)
        return edit(place, setting.at(place), read(source, place, None) - read(base, place, None))

    changes = [[change(text) for text in spec.components] for spec in specs]
    return [slope_along(setting.loaded, base.tokens, some, setting.answers, specs[0].metric) for some in changes]


TECHNIQUE = Technique(
    version=1,
    spec=Spec,
    causal=False,
    gated=True,
    controlled=True,
    edits=False,
    run=run,
    sentence=sentence,
    passes=passes,
    picture="heads",
)
