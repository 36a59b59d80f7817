"""TransformerLens's names and orientation, turned to those of `layers`: W_Q (heads, d_model, d_head) to torch's Linear.

A state dict is trusted no further than its names and shapes say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from workers.engine.toy.config import ToyConfig, optional, shapes

if TYPE_CHECKING:
    from torch import Tensor


def refuse_misfits(weights: Mapping[str, Tensor], config: ToyConfig) -> None:
    """Raises ValueError for a tensor too few, too many, or of another shape than the config says."""
    expected = shapes(config)
    if unknown := sorted(weights.keys() - expected.keys()):
        raise ValueError(f"no place for {', '.join(unknown[:5])} in a toy model of this config")
    if missing := sorted(name for name in expected.keys() - weights.keys() if not optional(name)):
        raise ValueError(f"the state dict lacks {', '.join(missing[:5])}")
    for name, tensor in weights.items():
        if tuple(tensor.shape) != expected[name]:
            raise ValueError(f"{name} is {tuple(tensor.shape)}; by the config it is {expected[name]}")


def turned(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """By the modules' names, in torch's orientation."""
    return dict(_turned(name, value) for name, value in weights.items())


def _turned(name: str, value: Tensor) -> tuple[str, Tensor]:
    *path, last = name.split(".")
    where = ".".join(["base_model", *path])
    match path[-1], last:
        case "attn", "W_Q" | "W_K" | "W_V":  # (heads, d_model, d_head) -> (heads * d_head, d_model)
            return f"{where}.{last[-1].lower()}_proj.weight", value.transpose(1, 2).flatten(0, 1).contiguous()
        case "attn", "b_Q" | "b_K" | "b_V":  # (heads, d_head)
            return f"{where}.{last[-1].lower()}_proj.bias", value.flatten()
        case "attn", "W_O":  # (heads, d_head, d_model) -> (d_model, heads * d_head)
            return f"{where}.o_proj.weight", value.flatten(0, 1).T.contiguous()
        case "attn", "b_O":
            return f"{where}.o_proj.bias", value
        case "mlp", "W_in" | "W_out":  # (in, out)
            return f"{where}.{'up' if last == 'W_in' else 'down'}_proj.weight", value.T.contiguous()
        case "mlp", "b_in" | "b_out":
            return f"{where}.{'up' if last == 'b_in' else 'down'}_proj.bias", value
        case "unembed", "W_U":  # (d_model, outputs)
            return "unembed.weight", value.T.contiguous()
        case "unembed", "b_U":
            return "unembed.bias", value
        case ("embed", "W_E") | ("pos_embed", "W_pos"):
            return f"{where}.weight", value
        case _, "w" | "b":  # of a norm
            return f"{where}.{'weight' if last == 'w' else 'bias'}", value
    raise ValueError(f"{name} is no tensor of a toy model")
