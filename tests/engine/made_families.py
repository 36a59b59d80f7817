"""A small random model of every family and of each layout that a family's config can choose: 3 layers, 4 heads.

Windows are 4 positions wide where there are any, keys and values are shared by two heads where a family shares them,
and d_head is not d_model / heads where it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import transformers as hf

SIZE = {"vocab_size": 41, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4}
SIZE |= {"max_position_embeddings": 16, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": None}
GATED = {**SIZE, "intermediate_size": 48, "num_key_value_heads": 2}
WINDOW = {"sliding_window": 4, "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]}
HALF_ROTARY = {"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.5}
GPT_J = {"vocab_size": 41, "n_positions": 16, "n_embd": 32, "n_layer": 3, "n_head": 4, "rotary_dim": 4}
GPT_NEO = {"vocab_size": 41, "hidden_size": 32, "num_layers": 3, "num_heads": 4, "max_position_embeddings": 16}
OPT = {**SIZE, "ffn_dim": 48, "pad_token_id": 1}
GPT_2 = {"vocab_size": 41, "n_positions": 16, "n_embd": 32, "n_layer": 3, "n_head": 4}
ENDS = {"bos_token_id": 0, "eos_token_id": 0}

MADE: Mapping[str, Callable[[], hf.PreTrainedModel]] = {
    "gpt2/inverse-layer": lambda: hf.GPT2LMHeadModel(
        hf.GPT2Config(**GPT_2, **ENDS, scale_attn_by_inverse_layer_idx=True)
    ),
    "gpt_neox": lambda: hf.GPTNeoXForCausalLM(
        hf.GPTNeoXConfig(**SIZE, intermediate_size=48, rope_parameters={**HALF_ROTARY})
    ),
    "gpt_neox/sequential": lambda: hf.GPTNeoXForCausalLM(
        hf.GPTNeoXConfig(**SIZE, intermediate_size=48, use_parallel_residual=False)
    ),
    "gptj": lambda: hf.GPTJForCausalLM(hf.GPTJConfig(**GPT_J, **ENDS)),
    "gpt_neo": lambda: hf.GPTNeoForCausalLM(
        hf.GPTNeoConfig(**GPT_NEO, **ENDS, attention_types=[[["local", "global", "local"], 1]], window_size=4)
    ),
    "mistral": lambda: hf.MistralForCausalLM(hf.MistralConfig(**GATED, sliding_window=4)),
    "qwen2": lambda: hf.Qwen2ForCausalLM(hf.Qwen2Config(**GATED, **WINDOW, use_sliding_window=True)),
    "qwen3": lambda: hf.Qwen3ForCausalLM(hf.Qwen3Config(**GATED, head_dim=12, attention_bias=True)),
    "gemma2": lambda: hf.Gemma2ForCausalLM(
        hf.Gemma2Config(
            **GATED,
            **WINDOW,
            head_dim=12,
            query_pre_attn_scalar=12,
            attn_logit_softcapping=5.0,
            final_logit_softcapping=3.0,
        )
    ),
    "gemma3_text": lambda: hf.Gemma3ForCausalLM(
        hf.Gemma3TextConfig(**GATED, **WINDOW, head_dim=12, query_pre_attn_scalar=12)
    ),
    "olmo2": lambda: hf.Olmo2ForCausalLM(hf.Olmo2Config(**GATED)),
    "opt": lambda: hf.OPTForCausalLM(hf.OPTConfig(**OPT)),
    "opt/350m": lambda: hf.OPTForCausalLM(hf.OPTConfig(**OPT, do_layer_norm_before=False, word_embed_proj_dim=20)),
    "opt/post-norm": lambda: hf.OPTForCausalLM(hf.OPTConfig(**OPT, do_layer_norm_before=False)),
    "phi": lambda: hf.PhiForCausalLM(hf.PhiConfig(**GATED, rope_parameters={**HALF_ROTARY}, qk_layernorm=True)),
    "phi3": lambda: hf.Phi3ForCausalLM(hf.Phi3Config(**GATED, sliding_window=4)),
    "falcon/7b": lambda: hf.FalconForCausalLM(hf.FalconConfig(**SIZE)),
    "falcon/40b": lambda: hf.FalconForCausalLM(hf.FalconConfig(**SIZE, new_decoder_architecture=True, num_kv_heads=2)),
    "falcon/rw": lambda: hf.FalconForCausalLM(
        hf.FalconConfig(**SIZE, alibi=True, multi_query=False, parallel_attn=False, bias=True)
    ),
    "stablelm": lambda: hf.StableLmForCausalLM(
        hf.StableLmConfig(**GATED, rope_parameters={**HALF_ROTARY}, use_qkv_bias=True)
    ),
    "stablelm/parallel": lambda: hf.StableLmForCausalLM(
        hf.StableLmConfig(**GATED, rope_parameters={**HALF_ROTARY}, use_parallel_residual=True, qk_layernorm=True)
    ),
    "smollm3": lambda: hf.SmolLM3ForCausalLM(hf.SmolLM3Config(**GATED, no_rope_layers=[1, 0, 1])),
    "granite": lambda: hf.GraniteForCausalLM(
        hf.GraniteConfig(
            **GATED, embedding_multiplier=3.0, logits_scaling=2.0, residual_multiplier=0.5, attention_multiplier=0.4
        )
    ),
    "cohere": lambda: hf.CohereForCausalLM(hf.CohereConfig(**GATED, use_qk_norm=True, logit_scale=0.5)),
}
"""By family and layout; the family's own name alone where it has one layout."""
