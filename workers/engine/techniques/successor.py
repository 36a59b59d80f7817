"""Successor: does a head's OV matrix turn a token into the next one of its sequence (Monday to Tuesday, 3 to 4)?

The token's embedding goes through the head's norm, W_V and W_O, the final norm and W_U, and the largest logit among
the candidates, which are the prompt's right and wrong answers, must be a right one. So the prompts state the question:
the token at `token`, its successor as the right answer, the other members of its class as wrong ones. No prompt is
run, and chance is one in as many as there are candidates. Weights alone, so it can take a badge away and never give
one. Source: Gould et al. 2023 (arXiv 2312.09230), whose effective embedding is that after layer 0's MLP.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from workers.engine.documents.reads import PositionText, ReadingSpec
from workers.engine.techniques import Technique
from workers.engine.words import places_in_words

if TYPE_CHECKING:
    from torch import Tensor

    from workers.engine.setting import Effects, Setting


class Spec(ReadingSpec):
    """token: the position of the token that goes in. embedding: see ov_copying."""

    metric: str = "succession"
    token: PositionText = "END"
    embedding: Literal["plain", "after_mlp0"] = "after_mlp0"


def run(setting: Setting, specs: Sequence[Spec]) -> Effects:
    """Per prompt the share of its answers whose right token comes out largest, on average over the spec's heads."""
    import torch

    from workers.engine.head_scores import head, tokens_meant, written_logits
    from workers.engine.prompts import Refused
    from workers.engine.setting import averaged

    for prompt in setting.prompts:
        if not all(answer.wrong for answer in prompt.answers):
            raise Refused(f"{prompt.text!r} states no wrong answers; give the other members of the token's class")

    def mapped(text: str, spec: Spec) -> Tensor:
        tokens = torch.tensor([token for (token,) in tokens_meant(setting, spec.token)])
        logits = written_logits(setting, head(text), tokens, spec.embedding).cpu()  # (batch, vocabulary)
        shares = [
            [float(row[list(answer.right)].max() > row[list(answer.wrong)].max()) for answer in prompt.answers]
            for row, prompt in zip(logits, setting.prompts, strict=True)
        ]
        return torch.tensor([sum(share) / len(share) for share in shares], dtype=torch.double)

    return averaged(specs, mapped)


def sentence(spec: Spec) -> str:
    return (
        f"asking whether the OV matrix of {places_in_words(spec.components, spec.over)} turns the token at "
        f"{spec.token} into a right answer rather than a wrong one"
    )


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
