"""A model of eight tokens whose heads can be read: embedding and unembedding are the identity, the MLPs write nothing.

Head 0 of layer 1 copies, 1 negates, 2 turns each token into the next (the last into the first), 3 does nothing. In
layer 0, head 0 moves the first two dimensions only. The queries and keys of head 0 of layer 1 are the identity, those
of head 1 look for the next token, the queries of head 2 read the first two dimensions, those of head 3 the next two and
its keys the first two.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from workers.engine.anatomy import Loaded
from workers.engine.loading import load_folder

SIZE = 8
NEXT = torch.eye(SIZE).roll(1, dims=1)  # row t has its one in column t + 1


def projector(*dimensions: int) -> Tensor:
    found = torch.zeros(SIZE, SIZE)
    for dimension in dimensions:
        found[dimension, dimension] = 1
    return found


ONE, NOTHING = torch.eye(SIZE), torch.zeros(SIZE, SIZE)
HEADS = {  # layer -> what each head moves, queries by and keys by, for row vectors
    0: ((projector(0, 1), NOTHING, NOTHING, NOTHING), (NOTHING,) * 4, (NOTHING,) * 4),
    1: (
        (ONE, -ONE, NEXT, NOTHING),
        (ONE, NEXT, projector(0, 1), projector(2, 3).roll(-2, dims=1)),
        (ONE, ONE, ONE, projector(0, 1)),
    ),
}
# eight tokens of one class; what follows the last is the first
ORDINALS = {
    "generator": "pairs",
    "prompts": [
        {"tokens": [0, t], "right": [(t + 1) % SIZE], "wrong": [u for u in range(SIZE) if u != (t + 1) % SIZE]}
        for t in range(SIZE)
    ],
}


def hand_made(folder: Path) -> Loaded:
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=SIZE,
            max_position_embeddings=16,
            hidden_size=SIZE,
            head_dim=SIZE,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=4,
            intermediate_size=SIZE,
            tie_word_embeddings=False,
        )
    )
    with torch.no_grad():
        model.model.embed_tokens.weight.copy_(ONE)
        model.lm_head.weight.copy_(ONE)
        for layer, (moved, queries, keys) in HEADS.items():
            block = model.model.layers[layer]
            block.mlp.down_proj.weight.zero_()
            block.self_attn.q_proj.weight.copy_(torch.cat([one.T for one in queries]))
            block.self_attn.k_proj.weight.copy_(torch.cat([one.T for one in keys]))
            block.self_attn.v_proj.weight.copy_(torch.cat([one.T for one in moved]))
            block.self_attn.o_proj.weight.copy_(torch.cat([ONE] * 4, dim=1))
    model.save_pretrained(folder)
    return load_folder(folder)


@pytest.fixture(scope="session")
def heads(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return hand_made(tmp_path_factory.mktemp("hand-made") / "heads")
