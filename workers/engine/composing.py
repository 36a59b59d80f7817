"""Composition scores of two heads: by Gram matrices of d_head × d_head, or, as the oracle, by the whole matrices."""

from __future__ import annotations

from functools import lru_cache
from typing import assert_never

import torch
from torch import Tensor

from workers.engine.anatomy import Loaded
from workers.engine.architectures import Projected
from workers.engine.documents.components import Component
from workers.engine.head_modules import HeadModules
from workers.engine.head_scores import heads_of
from workers.engine.head_weights import HeadWeights
from workers.engine.setting import Setting

RANDOM_PAIRS, SEED = 16, 0


@torch.no_grad()
def composition(setting: Setting, sender: Component, receiver: Component, part: Projected) -> float:
    """|W_V W_O M| / (|W_V W_O| |M|), M being what the receiver's q, k or v reads with."""
    heads = heads_of(setting)
    written = _moved(heads, sender)
    read = _read(heads, receiver, part)
    return _score(written, read) if setting.how != "oracle" else _score_of_whole(written, read)


def random_composition(loaded: Loaded, part: Projected) -> float:
    """The mean score of matrices with normally distributed entries and this model's shapes; every part has the same."""
    return _random(loaded.d_model, loaded.d_head)


@lru_cache(maxsize=16)
def _random(d_model: int, d_head: int) -> float:
    generator = torch.Generator().manual_seed(SEED)

    def pair() -> tuple[Tensor, Tensor]:
        inward, outward = torch.randn(2, d_model, d_head, generator=generator, dtype=torch.double)
        return inward, outward.T

    return sum(_score(pair(), pair()) for _ in range(RANDOM_PAIRS)) / RANDOM_PAIRS


def _moved(heads: HeadWeights | HeadModules, place: Component) -> tuple[Tensor, Tensor]:
    """(d_model, d_head) and (d_head, d_model), whose product is W_V W_O behind the norm's linear part."""
    assert place.layer is not None and place.head is not None
    values = heads.reading(place.layer) @ heads.projection(place.layer, "v", place.head)
    return values.double(), heads.output(place.layer, place.head).double()


def _read(heads: HeadWeights | HeadModules, place: Component, part: Projected) -> tuple[Tensor, Tensor]:
    """The same for M."""
    assert place.layer is not None and place.head is not None
    reading = heads.reading(place.layer)
    queries, keys = (reading @ heads.projection(place.layer, name, place.head) for name in ("q", "k"))
    match part:
        case "q":
            return queries.double(), keys.T.double()
        case "k":
            return keys.double(), queries.T.double()
        case "v":
            return _moved(heads, place)
        case _:
            assert_never(part)


def _score(first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor]) -> float:
    """|A B C D| / (|A B| |C D|), of A, C (d_model, d_head) and B, D (d_head, d_model)."""
    (a, b), (c, d) = first, second
    composed = _size(a, b @ c, d)
    each = torch.eye(a.shape[1], dtype=a.dtype, device=a.device)
    return float(composed / (_size(a, each, b) * _size(c, each, d)))


def _size(left: Tensor, middle: Tensor, right: Tensor) -> Tensor:
    """|L M R| without forming it: its square is the sum over M^T (L^T L) M times R R^T, entry by entry."""
    return ((middle.T @ (left.T @ left) @ middle) * (right @ right.T)).sum().clamp(min=0).sqrt()


def _score_of_whole(first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor]) -> float:
    one, other = first[0] @ first[1], second[0] @ second[1]  # (d_model, d_model)
    norm = torch.linalg.matrix_norm
    return float(norm(one @ other) / (norm(one) * norm(other)))
