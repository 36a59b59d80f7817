"""Matrix products of large layers by oneDNN where MKL, which torch calls for them, is slow: on AMD's processors.

There it multiplies the rows of a replay, some hundred to a thousand, 8 to 20 % faster, on the weights as they lie. The
operator is the one that torch's own compiler puts in the place of linear layers; the gradient is given here.
"""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

LARGE = 2**18  # entries of a weight; products with smaller ones take less than the choice costs
PROCESSOR = Path("/proc/cpuinfo")


def with_fast_products(model: nn.Module) -> nn.Module:
    """The same model, its large float32 layers on a CPU multiplied by oneDNN if that is the faster here."""
    if not is_slow_with_mkl():
        return model
    layers: list[Any] = [module for module in model.modules() if isinstance(module, Conv1D | nn.Linear)]
    for layer in layers:
        if _is_suited(layer.weight):
            layer.forward = partial(_forward, layer)
    return model


@cache
def is_slow_with_mkl() -> bool:
    """False where nothing is known of the processor."""
    if not (PROCESSOR.is_file() and torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available()):
        return False
    return "AuthenticAMD" in PROCESSOR.read_text(encoding="utf-8", errors="replace")


def _is_suited(weight: Tensor) -> bool:
    return weight.device.type == "cpu" and weight.dtype == torch.float32 and weight.numel() >= LARGE


def _forward(module: Any, rows: Tensor) -> Tensor:
    """(…, in) -> (…, out)."""
    weight = module.weight.t() if isinstance(module, Conv1D) else module.weight  # (out, in)
    product: Tensor = multiplied(rows, weight, module.bias)
    return product


class Product(torch.autograd.Function):
    """rows (…, in) times weight (out, in), and bias (out,) or None; differentiable in the rows, as often as asked."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(weight)
        product: Tensor = torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")
        return product

    @staticmethod
    def backward(ctx: Any, *above: Tensor) -> tuple[Tensor, None, None]:
        assert not any(ctx.needs_input_grad[1:]), "loaded models are not trained"
        (weight,) = ctx.saved_tensors
        return multiplied(above[0], weight.t(), None), None, None


multiplied: Any = Product.apply
