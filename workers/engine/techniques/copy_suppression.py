"""Copy suppression: does a head, by its weights, look for what is predicted, and lower what it looks at?

Two halves, one claim each. `ov`: a token's embedding goes through the head's OV matrix to the logits; is the token's
own logit among the `top` smallest? `qk`: a residual that predicts the token (its row of W_U) is the head's query, and
the embeddings of the whole vocabulary are its keys; is the token's own key among the `top` best? Weights alone: the
share of attention and loss that the mechanism explains (CSPA) is another question, and is not computed here.
Source: McDougall et al. 2023 (arXiv 2310.04625): 84.70 % of tokens for `ov` with top 10 and 95.72 % for `qk` with
top 1, in head 10.7 of GPT-2 small, with the embedding taken after layer 0's MLP.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, assert_never

from pydantic import Field, model_validator

from workers.engine.documents.reads import PositionText, ReadingSpec
from workers.engine.techniques import Technique
from workers.engine.words import places_in_words

if TYPE_CHECKING:
    from torch import Tensor

    from workers.engine.setting import Effects, Setting

USUAL_TOP = {"ov": 10, "qk": 1}


class Spec(ReadingSpec):
    """token: the position whose token is meant; null: every right answer. top: 10 for ov, 1 for qk, unless stated."""

    metric: str = "suppression"
    matrix: Literal["ov", "qk"] = "ov"
    token: PositionText | None = None
    embedding: Literal["plain", "after_mlp0"] = "after_mlp0"
    top: int = Field(ge=1, le=1_000)

    @model_validator(mode="before")
    @classmethod
    def _write_out_the_top(cls, given: Any) -> Any:
        if not isinstance(given, dict) or given.get("top") is not None:
            return given
        return {**given, "top": USUAL_TOP.get(given.get("matrix", "ov"), 1)}


def run(setting: Setting, specs: Sequence[Spec]) -> Effects:
    """Per prompt the share of the tokens meant that are singled out, on average over the spec's heads."""

    from workers.engine.head_scores import head, looked_at, mean_of_tokens, rank, tokens_meant, written_logits
    from workers.engine.setting import averaged

    def singled_out(text: str, spec: Spec) -> Tensor:
        def of_tokens(tokens: Tensor) -> Tensor:
            match spec.matrix:
                case "ov":
                    rows = -written_logits(setting, head(text), tokens, spec.embedding)
                case "qk":
                    rows = looked_at(setting, head(text), tokens, spec.embedding)
                case _:
                    assert_never(spec.matrix)
            return rank(rows, tokens) < spec.top

        return mean_of_tokens(tokens_meant(setting, spec.token), of_tokens)

    return averaged(specs, singled_out)


def sentence(spec: Spec) -> str:
    places = places_in_words(spec.components, spec.over)
    token = "the right answer" if spec.token is None else f"the token at {spec.token}"
    match spec.matrix:
        case "ov":
            return f"asking of {token} whether it is among the {spec.top} smallest logits that {places} gives it"
        case "qk":
            keys = "the key" if spec.top == 1 else f"among the {spec.top} keys"
            return f"asking of {token} whether it is {keys} that {places} looks at most where the residual predicts it"
        case _:
            assert_never(spec.matrix)


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
