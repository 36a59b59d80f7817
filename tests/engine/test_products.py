"""Large layers multiply by oneDNN on processors that MKL is slow on, and give the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from workers.engine import products
from workers.engine.attending import forward_of
from workers.engine.environment import environment_of
from workers.engine.loading import load_folder

CLOSE = {"abs": 1e-5, "rel": 1e-5}


@pytest.fixture
def vendor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Whose processor this is said to be."""
    told = tmp_path / "cpuinfo"
    told.write_text("vendor_id\t: AuthenticAMD\n")
    monkeypatch.setattr(products, "PROCESSOR", told)
    products.is_slow_with_mkl.cache_clear()
    yield told
    products.is_slow_with_mkl.cache_clear()


def own(layer: nn.Module, rows: Tensor) -> Tensor:
    return type(layer).forward(layer, rows)


@pytest.mark.usefixtures("vendor")
@pytest.mark.parametrize("layer", [Conv1D(640, 512), nn.Linear(512, 640), nn.Linear(512, 640, bias=False)], ids=str)
@pytest.mark.parametrize("shape", [(6, 512), (2, 3, 512), (1, 512), (0, 3, 512)])
def test_the_product_is_the_layers_own(layer: nn.Module, shape: tuple[int, ...]) -> None:
    products.with_fast_products(nn.Sequential(layer))
    rows = torch.randn(shape)
    with torch.no_grad():
        assert "forward" in vars(layer)
        assert layer(rows) == pytest.approx(own(layer, rows), **CLOSE)


@pytest.mark.usefixtures("vendor")
@pytest.mark.parametrize("layer", [Conv1D(640, 512), nn.Linear(512, 640, bias=False)], ids=str)
def test_gradients_are_the_layers_own_and_can_be_differentiated_again(layer: nn.Module) -> None:
    products.with_fast_products(nn.Sequential(layer)).requires_grad_(False)
    rows = torch.randn(3, 512, requires_grad=True)
    found = {}
    for name, made in (("fast", layer(rows)), ("own", own(layer, rows))):
        (first,) = torch.autograd.grad((made**2).sum(), rows, create_graph=True)
        found[name] = first, torch.autograd.grad((first**2).sum(), rows)[0]
    for fast, slow in zip(found["fast"], found["own"], strict=True):
        assert float((fast - slow).detach().abs().max() / slow.detach().abs().max()) < 1e-5


@pytest.mark.usefixtures("vendor")
@pytest.mark.parametrize("layer", [nn.Linear(64, 64), nn.Linear(512, 640).double(), nn.Embedding(512, 640)], ids=str)
def test_small_layers_other_dtypes_and_other_modules_are_left_alone(layer: nn.Module) -> None:
    products.with_fast_products(nn.Sequential(layer))
    assert "forward" not in vars(layer)


@pytest.mark.usefixtures("vendor")
def test_an_mlp_that_is_one_large_layer_is_fast_again_after_it_was_stood_in_for() -> None:
    layer = nn.Linear(512, 640)
    products.with_fast_products(nn.Sequential(layer))
    fast = vars(layer)["forward"]
    with forward_of(layer, lambda rows: rows):
        assert layer(3) == 3
    assert vars(layer)["forward"] is fast


@pytest.mark.parametrize(("told", "said"), [("AuthenticAMD", "oneDNN"), ("GenuineIntel", "torch")])
def test_a_run_says_which_library_multiplied(
    vendor: Path, told: str, said: str, random_checkpoints: dict[str, Path]
) -> None:
    vendor.write_text(told)
    loaded = load_folder(random_checkpoints["gpt2"], "cpu")
    assert environment_of(loaded).flags["products"] == said


@pytest.mark.parametrize("told", ["vendor_id\t: GenuineIntel\n", None])
def test_elsewhere_every_layer_is_left_alone(vendor: Path, told: str | None) -> None:
    vendor.unlink() if told is None else vendor.write_text(told)
    layer = nn.Linear(512, 640)
    products.with_fast_products(nn.Sequential(layer))
    assert "forward" not in vars(layer)
