"""Composition: how much of what one head writes does the matrix of a later head read, by their weights alone?

For a sender's W_V W_O and what the receiver reads with, M, the score is |W_V W_O M| / (|W_V W_O| |M|) in Frobenius
norms. M is W_Q W_K^T for the receiver's queries (`1.2.q`), its transpose for the keys (`1.2.k`), and W_V W_O for the
values (`1.2.v`), behind the linear part of the receiver's norm (gain and centring; so is the sender's own).
Random matrices of these shapes do not score 0: with `baseline: random` the mean score of matrices drawn from a normal
distribution is taken off. The score is about the weights' directions; MLPs in between, positions and whether the
sender ever writes are not seen, so it proposes edges that path patching has to show. It can never give a badge.
Source: Elhage et al. 2021, A Mathematical Framework for Transformer Circuits, "Q-, K- and V-composition".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Self

from pydantic import model_validator

from workers.engine.documents.components import Component, component
from workers.engine.documents.reads import ReadingSpec
from workers.engine.documents.spec import Places
from workers.engine.techniques import Technique
from workers.engine.words import listed, places_in_words

if TYPE_CHECKING:
    from workers.engine.setting import Effects, Setting


class Spec(ReadingSpec):
    """components: the senders. receivers: q, k or v of later heads, whose scores are averaged."""

    receivers: Places
    metric: str = "composition"
    baseline: Literal["random", "none"] = "random"

    @model_validator(mode="after")
    def _reads_later_heads(self) -> Self:
        receivers = [_receiver(text) for text in self.receivers]
        senders = [component(text) for text in self.components if not text.startswith("#")]
        last = max((place.layer for place in senders if place.layer is not None), default=-1)
        for place in receivers:
            if place.layer is not None and place.layer <= last:
                raise ValueError(f"{place} does not come after every sender; name receivers of later layers")
        return self


def run(setting: Setting, specs: Sequence[Spec]) -> Effects:
    """The mean score over all pairs of a sender and a receiver, on every prompt alike."""
    import torch

    from workers.engine.composing import composition, random_composition
    from workers.engine.setting import averaged

    def score(sender: str, receiver: str, spec: Spec) -> float:
        place = component(receiver)
        assert place.part in ("q", "k", "v")
        found = composition(setting, component(sender), place, place.part)
        return found if spec.baseline == "none" else found - random_composition(setting.loaded, place.part)

    def on_every_prompt(sender: str, spec: Spec) -> torch.Tensor:
        scores = [score(sender, receiver, spec) for receiver in spec.receivers]
        return torch.full((len(setting.prompts),), sum(scores) / len(scores), dtype=torch.double)

    return averaged(specs, on_every_prompt)


def sentence(spec: Spec) -> str:
    less = ", less what random matrices have in common," if spec.baseline == "random" else ""
    places = places_in_words(spec.components, spec.over)
    return f"comparing what {places} writes with what {listed(spec.receivers)} reads{less}"


def _receiver(text: str) -> Component:
    if text.startswith("#"):
        raise ValueError(f"{text}: write the receivers out, each with what is read: 1.2.q, 1.2.k or 1.2.v")
    place = component(text)
    if place.kind != "head" or place.part not in ("q", "k", "v") or place.position is not None:
        raise ValueError(f"{text} reads no one thing: a receiver is a head's q, k or v, as 1.2.k, without a position")
    return place


TECHNIQUE = Technique(
    version=1,
    spec=Spec,
    causal=False,
    gated=False,
    controlled=False,
    edits=False,
    run=run,
    sentence=sentence,
    picture="heads",
)
