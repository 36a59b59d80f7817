"""One file per family, answering the same questions in the same order."""

from __future__ import annotations

import ast
import inspect

import pytest
import torch

from workers.engine.anatomy import Loaded
from workers.engine.architectures import (
    Architecture,
    UnsupportedArchitecture,
    architecture,
    known_architectures,
)


def defined(source: str) -> list[str]:
    return [node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]


@pytest.mark.parametrize("family", known_architectures())
def test_every_family_answers_every_question_in_order(family: str) -> None:
    questions = [name for name, _ in vars(Architecture).items() if inspect.isfunction(getattr(Architecture, name))]
    asked = [name for name in questions if not name.startswith("_")]
    source = inspect.getsource(inspect.getmodule(architecture(family).layers))  # type: ignore[arg-type] # a module
    assert [name for name in defined(source) if not name.startswith("_")] == asked
    assert isinstance(architecture(family).CAUSAL, bool)


def test_an_unknown_family_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnsupportedArchitecture, match="'lama' is not supported; .* gpt2, llama.*did you mean llama"):
        architecture("lama")


def test_a_path_is_no_family() -> None:
    with pytest.raises(UnsupportedArchitecture):
        architecture("gpt2.os")


def test_dimensions_are_read_off_the_model(random_model: Loaded) -> None:
    expected = {"gpt2": (4, 4, 4, 8, 32, 128, 41, 16), "llama": (4, 4, 2, 12, 32, 48, 41, 16)}[random_model.family]
    m = random_model
    assert (m.layers, m.heads, m.kv_heads, m.d_head, m.d_model, m.d_mlp, m.vocabulary, m.positions) == expected


def test_the_value_bias_of_a_head_moves_its_z(random_model: Loaded) -> None:
    """Values that are all bias give z = b_V, whatever the pattern: what folded zero ablation puts in place of z."""
    bias = random_model.b_V(1)
    module, _ = random_model.architecture.projection(random_model.attention(1), "v", 0)
    blocks = module.bias.unflatten(0, (-1, random_model.d_head))
    for head in range(random_model.heads):
        _, block = random_model.architecture.projection(random_model.attention(1), "v", head)
        assert torch.equal(bias[head], blocks[block])
