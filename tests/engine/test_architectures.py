"""One file per family, answering the same questions in the same order."""

from __future__ import annotations

import ast
import inspect
from importlib import import_module
from pathlib import Path

import pytest
import torch

from workers.engine import architectures
from workers.engine.anatomy import Loaded
from workers.engine.architectures import (
    Architecture,
    UnsupportedArchitecture,
    architecture,
    gemma2,
    known_architectures,
)

QUESTIONS = [name for name, asked in vars(Architecture).items() if inspect.isfunction(asked) and name[0] != "_"]


def answered(family: str) -> list[str]:
    """What a family file answers itself, from top to bottom: by a function, or with another family's."""
    body = ast.parse(inspect.getsource(import_module(f"{architectures.__name__}.{family}"))).body
    functions = [(node.name, node) for node in body if isinstance(node, ast.FunctionDef)]
    taken = [(target.id, node) for node in body if isinstance(node, ast.Assign) for target in node.targets]  # type: ignore[attr-defined] # names alone stand here
    in_order = sorted([*functions, *taken], key=lambda answer: answer[1].lineno)
    return [name for name, _ in in_order if name[0] != "_" and name.islower()]


@pytest.mark.parametrize("family", known_architectures())
def test_every_family_answers_every_question_in_order(family: str) -> None:
    assert answered(family) == [name for name in QUESTIONS if name in answered(family)]
    assert all(callable(getattr(architecture(family), name)) for name in QUESTIONS)
    assert issubclass(architecture(family).MODEL, torch.nn.Module)


def test_a_family_that_is_like_another_gives_its_own_answers_first() -> None:
    assert "LIKE = llama" in inspect.getsource(gemma2)
    like, itself = architecture("llama"), architecture("gemma2")
    assert itself.attention is like.attention and itself.added is not like.added
    assert answered("gemma2") == ["added", "embedding", "finish_logits"]
    assert architecture("gemma3_text").added is itself.added and architecture("gemma3_text").layers is like.layers


def test_an_unknown_family_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        UnsupportedArchitecture, match="'lama' is not supported; .* llama, mistral, .*did you mean llama"
    ):
        architecture("lama")


def test_the_page_about_families_lists_them_all() -> None:
    rows = (Path(__file__).parents[2] / "docs" / "families.md").read_text(encoding="utf-8").splitlines()
    assert [
        row.split("`")[1] for row in rows if row.startswith("| `") and "model_type" not in row
    ] == known_architectures()


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
