"""Models to run the engine on: small random ones, written as checkpoints and read back, and the foreign checkpoints."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedModel

from tests.engine import one_layer
from workers.engine.loading import Loaded, load_folder

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
RANDOM = ("gpt2", "llama")
FOREIGN = ("tinystories_656k", "stories260K", "mingpt_nano_sort")


def a_gpt2() -> GPT2LMHeadModel:
    return GPT2LMHeadModel(
        GPT2Config(vocab_size=41, n_positions=16, n_embd=32, n_layer=4, n_head=4, bos_token_id=0, eos_token_id=0)
    )


def a_llama() -> LlamaForCausalLM:
    """Four query heads to two key/value heads, and biases everywhere."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=41,
            max_position_embeddings=16,
            hidden_size=32,
            head_dim=12,
            num_hidden_layers=4,
            num_attention_heads=4,
            num_key_value_heads=2,
            intermediate_size=48,
            attention_bias=True,
            mlp_bias=True,
        )
    )


def write_checkpoint(folder: Path, model: PreTrainedModel) -> Path:
    """Save the model with weights large enough, and biases and gains uneven enough, for every mistake to show."""
    generator = torch.Generator().manual_seed(1)
    weights = {}
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        gain = parameter.ndim == 1 and name.endswith("weight")
        weights[name] = 1 + 0.3 * noise if gain else 0.2 * noise
    model.load_state_dict(weights, strict=False)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def random_checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {
        "gpt2": write_checkpoint(folder / "gpt2", a_gpt2()),
        "llama": write_checkpoint(folder / "llama", a_llama()),
    }


@pytest.fixture(scope="session")
def checkpoints() -> Path:
    """The folder of foreign models; without it the test is skipped."""
    if not os.environ.get("CHECKPOINTS"):
        pytest.skip("CHECKPOINTS= names no folder of foreign models")
    return Path(os.environ["CHECKPOINTS"])


@pytest.fixture(params=RANDOM, scope="session")
def random_model(request: pytest.FixtureRequest, random_checkpoints: dict[str, Path]) -> Loaded:
    return load_folder(random_checkpoints[request.param], DEVICE)


@pytest.fixture(
    params=[*RANDOM, *(pytest.param(name, marks=pytest.mark.checkpoints) for name in FOREIGN)], scope="session"
)
def model(request: pytest.FixtureRequest, random_checkpoints: dict[str, Path]) -> Loaded:
    if request.param in random_checkpoints:
        return load_folder(random_checkpoints[request.param], DEVICE)
    return load_folder(request.getfixturevalue("checkpoints") / request.param, DEVICE)


@pytest.fixture(scope="session")
def tokens() -> torch.Tensor:
    """(batch, pos): ten tokens, the first three the same in all prompts, from the smallest vocabulary of all models."""
    drawn = torch.randint(3, (6, 10), generator=torch.Generator().manual_seed(2))
    drawn[:, :3] = torch.tensor([0, 2, 1])
    return drawn


@pytest.fixture(scope="session")
def other_tokens(tokens: torch.Tensor) -> torch.Tensor:
    """The same prompts, corrupted from position 3 on."""
    return torch.cat([tokens[:, :3], (tokens[:, 3:] + 1) % 3], dim=1)


@pytest.fixture(scope="session")
def averaging(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return one_layer.averaging(tmp_path_factory.mktemp("averaging"))


@pytest.fixture(scope="session")
def decided(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return one_layer.decided(tmp_path_factory.mktemp("decided"))
