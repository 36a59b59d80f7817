"""One file per model family; the file's name is the `model_type` in the checkpoint's config.json.

A family file answers questions of naming and layout only. No layer is computed here: the engine calls Hugging Face's
own layers again, and `selfcheck` proves on the actual weights that the answers are right.
"""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Literal, Protocol, cast

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedConfig, PreTrainedModel

Projected = Literal["q", "k", "v"]


class UnsupportedArchitecture(LookupError):
    """A model family without a file here; the message names the known ones."""


class Architecture(Protocol):
    """The questions, in the order in which every family file answers them."""

    MODEL: type[PreTrainedModel]  # the class that reads the checkpoint and runs it
    CAUSAL: bool  # whether a position depends on the positions before it only

    def key_value_heads(self, config: PreTrainedConfig) -> int: ...

    def layers(self, model: nn.Module) -> nn.ModuleList: ...

    def attention(self, layer: nn.Module) -> nn.Module: ...

    def output_projection(self, attention: nn.Module) -> nn.Module:
        """The module whose input is z, the heads side by side, and whose output the attention module returns."""

    def output_weights(self, attention: nn.Module, heads: int) -> Tensor:
        """W_O: (heads, d_head, d_model)."""

    def output_bias(self, attention: nn.Module) -> Tensor | None:
        """b_O: (d_model,)."""

    def projection(self, attention: nn.Module, part: Projected, head: int) -> tuple[nn.Module, int]:
        """The module that projects q, k or v, and which of its d_head-wide output blocks query head `head` uses.

        Keys and values are numbered by the query head that they serve; q and k are meant before any rotation.
        """

    def value_bias(self, attention: nn.Module, heads: int) -> Tensor:
        """b_V as every query head sees it: (heads, d_head), zeros where there is none; for folded zero ablation."""

    def mlp(self, layer: nn.Module) -> nn.Module | None: ...

    def down_projection(self, mlp: nn.Module) -> nn.Module:
        """The module whose input are the neurons: the hidden activations, after a gate where there is one."""

    def final_norm(self, model: nn.Module) -> nn.Module: ...

    def embedding(self, model: nn.Module) -> Tensor:
        """W_E: (vocabulary, d_model)."""

    def unembedding(self, model: nn.Module) -> tuple[Tensor, Tensor | None]:
        """W_U as (vocabulary, d_model), and its bias (vocabulary,)."""

    def finish_logits(self, model: nn.Module, logits: Tensor) -> Tensor:
        """What the model does to its logits after the unembedding: scales and soft caps."""


def known_architectures() -> list[str]:
    return sorted(module.name for module in iter_modules(__path__))


def architecture(model_type: str) -> Architecture:
    """The family file for `model_type`; raises UnsupportedArchitecture."""
    known = known_architectures()
    if model_type not in known:
        near = get_close_matches(model_type, known, n=1)
        meant = f"; did you mean {near[0]}?" if near else ""
        raise UnsupportedArchitecture(
            f"model family {model_type!r} is not supported; the supported ones are {', '.join(known)}{meant}"
        )
    return cast(Architecture, import_module(f"{__name__}.{model_type}"))
