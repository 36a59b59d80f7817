"""One file per model family; the file's name is the `model_type` in the checkpoint's config.json.

A family file answers questions of naming and layout only. Those that it leaves out are answered by the family that it
says it is `LIKE`: what differs stands alone in the file. No layer is computed here: the engine calls Hugging Face's own
layers again, and `selfcheck` proves on the actual weights that the answers are right.
"""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedConfig, PreTrainedModel

Projected = Literal["q", "k", "v"]
Adding = Literal["attn", "mlp"]


class UnsupportedArchitecture(LookupError):
    """A model family without a file here; the message names the known ones."""


class Architecture(Protocol):
    """The questions, in the order in which family files answer them."""

    MODEL: type[PreTrainedModel]  # the class that reads the checkpoint and runs it

    def causal(self, config: PreTrainedConfig) -> bool:
        """Whether a position depends on the positions before it only."""

    def queries_last(self, config: PreTrainedConfig) -> bool:
        """Whether an attention takes its queries for the last ones of its keys, whatever the mask that it is given."""

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
        """The module that gives q, k or v, and which of its d_head-wide output blocks query head `head` uses.

        Keys and values are numbered by the query head that they serve; q and k are meant as projected, before any
        rotation and any norm of one head's own. (OLMo 2's norm is one of all heads together: there it is the module.)
        """

    def mlp(self, layer: nn.Module) -> nn.Module | None: ...

    def down_projection(self, mlp: nn.Module) -> nn.Module:
        """The module whose input are the neurons: the hidden activations, after a gate where there is one."""

    def added(self, layer: nn.Module, part: Adding, output: Tensor) -> Tensor | None:
        """What the layer adds to the residual stream when its attention or MLP gives `output`, scaled or normed.

        None where nothing is merely added: a norm follows the sum.
        """

    def final_norm(self, model: nn.Module) -> nn.Module: ...

    def embedding(self, model: nn.Module) -> Tensor:
        """W_E as it enters the residual stream, scales and projections included: (vocabulary, d_model)."""

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
    return cast(Architecture, SimpleNamespace(**_answers(import_module(f"{__name__}.{model_type}"))))


def _answers(family: ModuleType) -> dict[str, Any]:
    like = _answers(family.LIKE) if hasattr(family, "LIKE") else {}
    return {**like, **vars(family)}
