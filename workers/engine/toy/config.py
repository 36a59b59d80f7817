"""A TransformerLens config: what of it a toy model may state, and which tensors follow from it. Free of torch.

Source: TransformerLens's HookedTransformerConfig and its defaults.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

Norm = Literal["none", "LN", "LNPre", "RMS", "RMSPre"]
Activation = Literal["relu", "gelu", "gelu_new", "silu", "solu", "solu_ln"]
Positions = Literal["standard", "shortformer"]
Shape = tuple[int, ...]

NEEDED = ("n_layers", "d_model", "n_ctx", "d_head", "n_heads", "d_vocab")
UNSUPPORTED: Mapping[str, tuple[Any, ...]] = {
    "gated_mlp": (None, False),
    "parallel_attn_mlp": (None, False),
    "num_experts": (None,),
    "n_key_value_heads": (None,),
    "use_local_attn": (None, False),
    "use_qk_norm": (None, False),
    "use_normalization_before_and_after": (None, False),
    "scale_attn_by_inverse_layer_idx": (None, False),
    "attn_scores_soft_cap": (None, -1, -1.0),
    "output_logits_soft_cap": (None, -1, -1.0),
    "final_rms": (None, False),
    "post_embedding_ln": (None, False),
    "relative_attention_max_distance": (None,),
}
"""Keys that would change what is computed, with the values under which they do not."""


@dataclass(frozen=True)
class ToyConfig:
    """In Hugging Face's words where the engine asks for them.

    outputs: rows of the unembedding, which need not be the vocabulary's. intermediate_size: 0 without MLPs.
    attn_scale: what scores are divided by. pad_token_id: no query sees a key of it. attn_coeff: the share of softmax
    in the attention weights, 1 for ordinary attention.
    """

    num_hidden_layers: int
    num_attention_heads: int
    hidden_size: int
    head_dim: int
    vocab_size: int
    outputs: int
    max_position_embeddings: int
    intermediate_size: int
    hidden_act: Activation
    norm: Norm
    eps: float
    causal: bool
    positions: Positions
    attn_scale: float
    pad_token_id: int | None
    attn_coeff: float
    model_type: str = "toy"


def config_from(stated: Mapping[str, Any]) -> ToyConfig:
    """Raises ValueError for what is missing, or would be computed otherwise than here."""
    for key in NEEDED:
        number = stated.get(key)
        if not isinstance(number, int) or (number < 1 and (key, number) != ("n_heads", -1)):
            raise ValueError(f"{key} is {number!r}; a toy model's config states {', '.join(NEEDED)} as whole numbers")
    for key, allowed in UNSUPPORTED.items():
        _refuse(key, stated.get(key), allowed)
    mlp = not stated.get("attn_only")
    direction = stated.get("attention_dir", "causal")
    _refuse("attention_dir", direction, ("causal", "bidirectional"))
    config = ToyConfig(
        num_hidden_layers=stated["n_layers"],
        num_attention_heads=_or(stated["n_heads"], stated["d_model"] // stated["d_head"]),
        hidden_size=stated["d_model"],
        head_dim=stated["d_head"],
        vocab_size=stated["d_vocab"],
        outputs=_or(stated.get("d_vocab_out"), stated["d_vocab"]),
        max_position_embeddings=stated["n_ctx"],
        intermediate_size=_or(stated.get("d_mlp"), 4 * stated["d_model"]) if mlp else 0,
        hidden_act=cast(Activation, _one_of("act_fn", stated.get("act_fn") if mlp else "relu", get_args(Activation))),
        norm=cast(Norm, _one_of("normalization_type", _norm(stated), get_args(Norm))),
        eps=float(stated.get("eps", 1e-5)),
        causal=direction == "causal",
        positions=cast(
            Positions,
            _one_of(
                "positional_embedding_type", stated.get("positional_embedding_type", "standard"), get_args(Positions)
            ),
        ),
        attn_scale=_scale(stated),
        pad_token_id=stated.get("pad_token_id"),
        attn_coeff=float(stated.get("attn_coeff", 1.0)),
    )
    if config.causal and config.attn_coeff != 1.0:
        raise ValueError("attn_coeff other than 1 gives weight to later positions too: attention_dir is bidirectional")
    return config


def shapes(config: ToyConfig) -> dict[str, Shape]:
    """Every tensor that the state dict may hold, by TransformerLens's name; those of `optional` may be absent."""
    return dict(_shapes(config))


def optional(name: str) -> bool:
    """Whether its absence means zeros: a bias, but for a norm's, which comes with its gain."""
    return name.rpartition(".")[2].startswith("b_")


def _shapes(config: ToyConfig) -> Iterator[tuple[str, Shape]]:
    d_model, heads, d_head = config.hidden_size, config.num_attention_heads, config.head_dim
    yield "embed.W_E", (config.vocab_size, d_model)
    yield "pos_embed.W_pos", (config.max_position_embeddings, d_model)
    for layer in range(config.num_hidden_layers):
        block = f"blocks.{layer}"
        yield from _norm_shapes(config.norm, f"{block}.ln1", d_model)
        for part in "QKV":
            yield f"{block}.attn.W_{part}", (heads, d_model, d_head)
            yield f"{block}.attn.b_{part}", (heads, d_head)
        yield f"{block}.attn.W_O", (heads, d_head, d_model)
        yield f"{block}.attn.b_O", (d_model,)
        if config.intermediate_size:
            yield from _mlp_shapes(config, block)
    yield from _norm_shapes(config.norm, "ln_final", d_model)
    yield "unembed.W_U", (d_model, config.outputs)
    yield "unembed.b_U", (config.outputs,)


def _mlp_shapes(config: ToyConfig, block: str) -> Iterator[tuple[str, Shape]]:
    d_model, d_mlp = config.hidden_size, config.intermediate_size
    yield from _norm_shapes(config.norm, f"{block}.ln2", d_model)
    yield f"{block}.mlp.W_in", (d_model, d_mlp)
    yield f"{block}.mlp.b_in", (d_mlp,)
    yield f"{block}.mlp.W_out", (d_mlp, d_model)
    yield f"{block}.mlp.b_out", (d_model,)
    if config.hidden_act == "solu_ln" and config.norm == "LN":
        yield from _norm_shapes("LN", f"{block}.mlp.ln", d_mlp)


def _norm_shapes(norm: Norm, name: str, width: int) -> Iterator[tuple[str, Shape]]:
    if norm in ("LN", "RMS"):
        yield f"{name}.w", (width,)
    if norm == "LN":
        yield f"{name}.b", (width,)


def _refuse(key: str, value: object, allowed: tuple[Any, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{key} is {value!r}; a toy model's may be {', '.join(map(str, allowed))}")


def _one_of(key: str, value: object, allowed: tuple[str, ...]) -> str:
    _refuse(key, value, allowed)
    return str(value)


def _or(stated: int | None, default: int) -> int:
    """TransformerLens writes -1 for what is not set."""
    return default if stated in (None, -1) else int(stated)


def _norm(stated: Mapping[str, Any]) -> object:
    """Not stated is LayerNorm, null is none."""
    return stated.get("normalization_type", "LN") or "none"


def _scale(stated: Mapping[str, Any]) -> float:
    if not stated.get("use_attn_scale", True):
        return 1.0
    scale = stated.get("attn_scale")
    return math.sqrt(stated["d_head"]) if scale in (None, -1, -1.0) else float(scale)
