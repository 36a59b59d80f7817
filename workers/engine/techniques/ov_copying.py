"""OV copying: what a head writes if it looks at a token, by its matrices alone: that token itself?

A token's embedding goes through the head's norm, W_V and W_O, the final norm and W_U. The share of a prompt's tokens
that are then among the `top` largest logits is the copy score; `negative` looks at the smallest instead, as a head
does that lowers what it attends to. No prompt is run: the prompts only say which tokens are meant. A head that could
copy need not look anywhere, so this can take a badge away and never give one. Biases, positions and a norm after the
attention are left out (`head_weights` says what else). Source: Wang et al. 2022 (arXiv 2211.00593), section 3.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from workers.engine.documents.reads import PositionText, ReadingSpec
from workers.engine.techniques import Technique
from workers.engine.words import places_in_words

if TYPE_CHECKING:
    from torch import Tensor

    from workers.engine.setting import Effects, Setting


class Spec(ReadingSpec):
    """token: the position whose token is meant; null: every right answer. embedding: what stands for a token, W_E
    (plain) or the residual after layer 0 of a token that attends to nothing (heads of layer 0 read W_E all the same).
    """

    metric: str = "copying"
    token: PositionText | None = None
    embedding: Literal["plain", "after_mlp0"] = "after_mlp0"
    sign: Literal["positive", "negative"] = "positive"
    top: int = Field(default=5, ge=1, le=1_000)


def run(setting: Setting, specs: Sequence[Spec]) -> Effects:
    """Per prompt the share of the tokens meant that the spec's heads copy, on average over the heads."""

    from workers.engine.head_scores import head, mean_of_tokens, rank, tokens_meant, written_logits
    from workers.engine.setting import averaged

    def copied(text: str, spec: Spec) -> Tensor:
        def of_tokens(tokens: Tensor) -> Tensor:
            logits = written_logits(setting, head(text), tokens, spec.embedding)
            return rank(logits if spec.sign == "positive" else -logits, tokens) < spec.top

        return mean_of_tokens(tokens_meant(setting, spec.token), of_tokens)

    return averaged(specs, copied)


def sentence(spec: Spec) -> str:
    end = "largest" if spec.sign == "positive" else "smallest"
    return (
        f"asking of {_meant(spec)} whether it is among the {spec.top} {end} logits that the OV matrix of "
        f"{places_in_words(spec.components, spec.over)} gives it{_embedded(spec)}"
    )


def _meant(spec: Spec) -> str:
    return "the right answer" if spec.token is None else f"the token at {spec.token}"


def _embedded(spec: Spec) -> str:
    return ", embedded as after layer 0's MLP," if spec.embedding == "after_mlp0" else ""


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
