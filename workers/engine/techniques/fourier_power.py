"""Fourier power: do a few frequencies hold most of what a matrix says about the numbers 0 to p - 1?

A model that adds modulo p by turning circles has an embedding whose columns, as functions of the number, are sines and
cosines of few frequencies. The number is the share of the matrix's power in the stated frequencies, the constant part
left out: with F the discrete Fourier transform over the p rows, sum over k in frequencies of |F_k|^2 over the sum over
all k from 1 to (p - 1) / 2. It says how numbers are written and nothing of how they are used, so it can never give a
badge. Source: Nanda et al. 2023, Progress measures for grokking via mechanistic interpretability (arXiv 2301.05217).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal, Self, assert_never

from pydantic import Field, field_validator, model_validator

from workers.engine.documents import spec
from workers.engine.documents.document import Unordered
from workers.engine.documents.reads import require_own_metric, require_untouched
from workers.engine.techniques import Technique
from workers.engine.words import listed

if TYPE_CHECKING:
    from torch import Tensor

    from workers.engine.setting import Effects, Setting


class Spec(spec.Spec):
    """modulus: p; tokens 0 to p - 1 are the numbers. matrix: W_E, or W_U's columns for these tokens."""

    frequencies: Annotated[tuple[int, ...], Unordered(), Field(min_length=1)]
    modulus: int = Field(ge=3)
    matrix: Literal["embedding", "unembedding"] = "embedding"
    metric: str = "fourier_power"
    report: Literal["raw"] = "raw"
    over: Literal["group"] = "group"

    @field_validator("metric")
    @classmethod
    def _known_metric(cls, name: str) -> str:
        return require_own_metric(name, cls)

    @model_validator(mode="after")
    def _names_frequencies(self) -> Self:
        require_untouched(self)
        highest = (self.modulus - 1) // 2
        if len(set(self.frequencies)) < len(self.frequencies) or not all(1 <= k <= highest for k in self.frequencies):
            raise ValueError(f"frequencies of {self.modulus} numbers are 1 to {highest}, each named once")
        return self


def run(setting: Setting, specs: Sequence[Spec]) -> Effects:
    """The share, on every prompt alike; raises Refused where the model has fewer tokens than numbers."""

    from workers.engine.prompts import Refused
    from workers.engine.setting import Effect

    def share(spec: Spec) -> Tensor:
        rows = _rows(setting, spec)  # (tokens, d_model)
        if len(rows) < spec.modulus:
            raise Refused(f"the model has {len(rows)} tokens, fewer than the modulus {spec.modulus}; correct it")
        numbers = rows[: spec.modulus].double()
        power = _by_waves(numbers) if setting.how == "oracle" else _by_transform(numbers)
        return power[[k - 1 for k in spec.frequencies]].sum() / power.sum()

    return tuple(Effect({"fourier_power": share(spec).cpu().expand(len(setting.prompts)).clone()}) for spec in specs)


def sentence(spec: Spec) -> str:
    frequencies = "frequency" if len(spec.frequencies) == 1 else "frequencies"
    named = listed(map(str, sorted(spec.frequencies)))
    return f"adding up the power of {frequencies} {named} in the {spec.matrix} of the numbers 0 to {spec.modulus - 1}"


def _rows(setting: Setting, spec: Spec) -> Tensor:
    """(tokens, d_model)."""
    architecture, model = setting.loaded.architecture, setting.loaded.model
    match spec.matrix:
        case "embedding":
            return architecture.embedding(model)
        case "unembedding":
            return architecture.unembedding(model)[0]
        case _:
            assert_never(spec.matrix)


def _by_transform(numbers: Tensor) -> Tensor:
    """(p, d) -> (frequencies,): the power of each, from 1 on."""
    import torch

    power: Tensor = torch.fft.rfft(numbers, dim=0)[1 : (len(numbers) + 1) // 2].abs().square().sum(-1)
    return power


def _by_waves(numbers: Tensor) -> Tensor:
    """The same, by writing the sines and cosines out."""
    import torch

    steps = torch.arange(len(numbers), dtype=numbers.dtype, device=numbers.device) * 2 * math.pi / len(numbers)
    angles = torch.arange(1, (len(numbers) + 1) // 2, dtype=numbers.dtype, device=numbers.device)[:, None] * steps
    power: Tensor = (angles.cos() @ numbers).square().sum(-1) + (angles.sin() @ numbers).square().sum(-1)
    return power


TECHNIQUE = Technique(
    version=1,
    spec=Spec,
    causal=False,
    gated=False,
    controlled=False,
    edits=False,
    run=run,
    sentence=sentence,
)
