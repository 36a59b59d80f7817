"""From a head's matrices to a number per prompt, for the techniques that test what a head is called."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from workers.engine.documents.components import component, position_of
from workers.engine.head_modules import HeadModules
from workers.engine.head_weights import TOKENS_AT_ONCE, Embedding, HeadWeights, head_weights
from workers.engine.prompts import Prompt, Refused
from workers.engine.setting import Setting, index_of

Head = tuple[int, int]
"""Layer and number."""


def heads_of(setting: Setting) -> HeadWeights | HeadModules:
    """The fast way, or for the oracle the slow one."""
    loaded = setting.loaded
    outputs = len(loaded.architecture.unembedding(loaded.model)[0])
    if outputs != loaded.vocabulary:
        raise Refused(
            f"the model reads {loaded.vocabulary} tokens and writes {outputs}: what a head does to a token cannot be "
            "compared with the token itself; test this head by an intervention"
        )
    heads: HeadWeights | HeadModules = setting.once(
        "heads", lambda: HeadModules(loaded) if setting.how == "oracle" else head_weights(loaded)
    )
    return heads


def head(text: str) -> Head:
    place = component(text)
    assert place.layer is not None and place.head is not None, text
    return place.layer, place.head


def tokens_meant(setting: Setting, position: str | None) -> list[list[int]]:
    """Per prompt: the token at the position, or every right answer."""
    if position is None:
        return [[token for answer in prompt.answers for token in answer.right] for prompt in setting.prompts]
    return [[_token_at(prompt, position)] for prompt in setting.prompts]


def mean_of_tokens(meant: Sequence[Sequence[int]], value: Callable[[Tensor], Tensor]) -> Tensor:
    """(batch,): a number of each token (n,) -> (n,), each token asked for once, averaged within the prompt."""
    different = sorted({token for tokens in meant for token in tokens})
    values = dict(zip(different, value(torch.tensor(different)).double().tolist(), strict=True))
    return torch.tensor([sum(values[token] for token in tokens) / len(tokens) for tokens in meant], dtype=torch.double)


@torch.no_grad()
def written_logits(setting: Setting, where: Head, tokens: Tensor, embedding: Embedding) -> Tensor:
    """(n,) -> (n, vocabulary): what the head adds to the logits if it looks at these tokens and at nothing else."""
    heads = heads_of(setting)
    resid = heads.embedded(where[0], tokens, embedding)
    return heads.logits(heads.written(*where, resid))


@torch.no_grad()
def looked_at(setting: Setting, where: Head, tokens: Tensor, embedding: Embedding) -> Tensor:
    """(n,) -> (n, vocabulary): how much a residual that predicts the token looks at every token."""
    heads = heads_of(setting)
    unembedding = setting.loaded.architecture.unembedding(setting.loaded.model)[0]
    queries = unembedding[tokens.to(unembedding.device)]
    every = torch.arange(setting.loaded.vocabulary).split(TOKENS_AT_ONCE)
    keys = (heads.embedded(where[0], some, embedding) for some in every)
    return torch.cat([heads.scores(*where, queries, some) for some in keys], dim=1)


@torch.no_grad()
def ov_matrix(setting: Setting, where: Head, embedding: Embedding) -> Tensor:
    """(d_head, d_head), with the eigenvalues of the OV circuit that are not 0."""
    return heads_of(setting).circuit(*where, embedding)


def rank(rows: Tensor, tokens: Tensor) -> Tensor:
    """(n, vocabulary), (n,) -> (n,): how many other entries of its row the token's own does not exceed.

    A tie counts against the token: a head that writes nothing copies nothing.
    """
    own = rows.gather(1, tokens.to(rows.device)[:, None])
    return (rows >= own).sum(1) - 1


def _token_at(prompt: Prompt, position: str) -> int:
    return prompt.tokens[index_of(prompt, position_of(position, position))]
