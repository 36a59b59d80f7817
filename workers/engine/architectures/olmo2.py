"""OLMo 2: Llama's layout, with no norm before attention and MLP but one behind each.

q and k are normed over all heads together: before that norm no head has a q of its own, since an edit of one would
change its neighbors'. So they are meant behind it, before the rotation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from transformers import Olmo2ForCausalLM

from workers.engine.architectures import gemma2, llama

if TYPE_CHECKING:
    from torch import nn
    from transformers.models.olmo2.modeling_olmo2 import Olmo2Attention

    from workers.engine.architectures import Projected

MODEL = Olmo2ForCausalLM
LIKE = llama


def projection(attention: Olmo2Attention, part: Projected, head: int) -> tuple[nn.Module, int]:
    if part == "q":
        return attention.q_norm, head
    return (attention.k_norm if part == "k" else attention.v_proj), head // attention.num_key_value_groups


added = gemma2.added
