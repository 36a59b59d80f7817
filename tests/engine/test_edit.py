"""What a component means as a tensor of a run."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from workers.engine.anatomy import Loaded
from workers.engine.documents.components import component
from workers.engine.edit import CannotEdit, Edit, read
from workers.engine.record import record


def test_each_component_reads_its_tensor(random_model: Loaded, tokens: Tensor) -> None:
    base = record(random_model, tokens)
    assert torch.equal(read(base, component("1.2"), None), base.z[1][:, :, 2])
    assert torch.equal(read(base, component("attn.1"), None), base.attn_out[1])
    assert torch.equal(read(base, component("mlp.1"), None), base.mlp_out[1])
    assert torch.equal(read(base, component("resid.4"), None), base.resid[4])
    assert torch.equal(read(base, component("embed"), None), base.resid[0])
    assert torch.equal(read(base, component("mlp.1.7"), None), base.neurons(1)[:, :, 7:8])
    assert torch.equal(read(base, component("1.2.v"), None), base.projected(1, "v", 2))
    assert torch.equal(read(base, component("1.2.pattern"), None), base.pattern(1)[:, 2])


def test_the_embedding_of_gpt2_includes_its_learned_positions(random_model: Loaded, tokens: Tensor) -> None:
    embedded = random_model.architecture.embedding(random_model.model)[tokens]
    if random_model.family == "gpt2":
        embedded = embedded + random_model.model.transformer.wpe.weight[: tokens.shape[1]]
    assert torch.allclose(read(record(random_model, tokens), component("embed"), None), embedded)


@pytest.mark.parametrize("text", ["1.2", "1.2.q", "1.2.pattern", "attn.1", "mlp.1.7", "resid.2"])
def test_at_takes_one_position_of_each_prompt(random_model: Loaded, text: str, tokens: Tensor) -> None:
    base, at = record(random_model, tokens), torch.tensor([0, 9, 3, 3, 4, 5])
    whole, some = read(base, component(text), None), read(base, component(text), at)
    assert all(torch.equal(some[prompt], whole[prompt, at[prompt]]) for prompt in range(6))


def test_single_attention_weights_are_read_from_the_pattern(random_model: Loaded, tokens: Tensor) -> None:
    with pytest.raises(CannotEdit, match="edit the head's pattern"):
        read(record(random_model, tokens), component("1.2[END>S]"), None)


def test_some_prompts_of_an_edit() -> None:
    edit = Edit(component("0.0"), torch.arange(6), torch.arange(12).view(6, 2))
    cut = edit.prompts(slice(2, 4))
    assert cut.at is not None
    assert (cut.at.tolist(), cut.value.tolist()) == ([2, 3], [[4, 5], [6, 7]])
