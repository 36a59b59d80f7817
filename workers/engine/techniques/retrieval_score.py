"""Retrieval score: just before a token is given, is that very token what the head looks at most?

For every answer of a prompt the head's largest attention weight from the position where the answer is read is found,
among all keys or among those of a named span (the needle). It counts if a right token stands there. The published
score follows the model's own generation and counts the needle's different tokens; here the prompt's answers are given
and every one of them counts once, so the score cannot exceed 1. Attention is not influence: this can take a badge
away and never give one. Source: Wu et al. 2024 (arXiv 2404.15574), who call heads from 0.1 on retrieval heads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workers.engine.documents.components import position_of
from workers.engine.documents.reads import PositionText, ReadingSpec
from workers.engine.techniques import Technique
from workers.engine.words import places_in_words

if TYPE_CHECKING:
    from torch import Tensor

    from workers.engine.prompts import Prompt
    from workers.engine.setting import Effects, Setting


class Spec(ReadingSpec):
    """span: the first and the last position of what is to be retrieved; null: anything before the answer. The largest
    weight is that of the whole row either way: a head that looks elsewhere retrieves nothing from the span.
    """

    metric: str = "retrieval"
    span: tuple[PositionText, PositionText] | None = None


def run(setting: Setting, specs: Sequence[Spec]) -> Effects:
    """Per prompt the share of its answers that are retrieved, on average over the spec's heads."""
    import torch

    from workers.engine.head_scores import head
    from workers.engine.setting import averaged

    def retrieved(text: str, spec: Spec) -> Tensor:
        layer, number = head(text)
        most = setting.pattern(layer)[:, number].argmax(-1).tolist()  # [batch][query] -> key
        shares = [_share(prompt, keys, _span(prompt, spec)) for prompt, keys in zip(setting.prompts, most, strict=True)]
        return torch.tensor(shares, dtype=torch.double)

    return averaged(specs, retrieved)


def sentence(spec: Spec) -> str:
    within = "" if spec.span is None else f" between {spec.span[0]} and {spec.span[1]}"
    return (
        f"asking whether {places_in_words(spec.components, spec.over)} looks most at the very token{within} that is "
        "to come next"
    )


def _span(prompt: Prompt, spec: Spec) -> tuple[int, int]:
    """The first and the last token index, both included."""
    from workers.engine.setting import index_of

    if spec.span is None:
        return 0, len(prompt.tokens) - 1
    first, last = (index_of(prompt, position_of(text, text)) for text in spec.span)
    return first, last


def _share(prompt: Prompt, keys: list[int], span: tuple[int, int]) -> float:
    """keys: the key that each query looks at most."""
    found = [keys[answer.position] for answer in prompt.answers]
    hits = [
        span[0] <= key <= span[1] and prompt.tokens[key] in answer.right
        for key, answer in zip(found, prompt.answers, strict=True)
    ]
    return sum(hits) / len(hits)


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
