"""Makes the stored numbers: tiny random checkpoints, and what TransformerLens 3.9's HookedTransformer computes on them.

    .bench/peers-transformer-lens-3/bin/python -m benchmarks.stored.make

`python -m benchmarks.engine` makes that environment. Each folder beside this file holds a checkpoint as Hugging Face
reads it and numbers.json: prompts, and for each name a nested list. The engine's tests compare with it to 1e-4.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformer_lens import HookedTransformer, HookedTransformerConfig, patching
from transformer_lens.pretrained.weight_conversions.gpt2 import convert_gpt2_weights
from transformer_lens.pretrained.weight_conversions.llama import convert_llama_weights
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

FOLDER = Path(__file__).parent
SEED = 0
VOCABULARY, WIDTH, LAYERS, HEADS, CONTEXT = 29, 16, 2, 4, 12
PROMPTS, LENGTH, FIRST_CHANGE = 3, 8, 3
DIGITS = 7
Converted = tuple[dict[str, Tensor], HookedTransformerConfig]

SHARED: dict[str, Any] = {
    "n_layers": LAYERS,
    "d_model": WIDTH,
    "n_ctx": CONTEXT,
    "d_head": WIDTH // HEADS,
    "n_heads": HEADS,
    "d_vocab": VOCABULARY,
    "device": "cpu",
}


def a_gpt2() -> GPT2LMHeadModel:
    ends = {"bos_token_id": 0, "eos_token_id": 0}
    return GPT2LMHeadModel(
        GPT2Config(vocab_size=VOCABULARY, n_positions=CONTEXT, n_embd=WIDTH, n_layer=LAYERS, n_head=HEADS, **ends)
    )


def as_gpt2(model: GPT2LMHeadModel) -> Converted:
    shape = {"d_mlp": 4 * WIDTH, "act_fn": "gelu_new", "normalization_type": "LN", "eps": 1e-5}
    config = HookedTransformerConfig(**SHARED, **shape, original_architecture="GPT2LMHeadModel")
    return convert_gpt2_weights(model, config), config


def a_llama() -> LlamaForCausalLM:
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY,
            max_position_embeddings=CONTEXT,
            hidden_size=WIDTH,
            num_hidden_layers=LAYERS,
            num_attention_heads=HEADS,
            num_key_value_heads=HEADS // 2,
            intermediate_size=3 * WIDTH,
            tie_word_embeddings=False,
        )
    )


def as_llama(model: LlamaForCausalLM) -> Converted:
    shape = {"d_mlp": 3 * WIDTH, "act_fn": "silu", "normalization_type": "RMS", "eps": model.config.rms_norm_eps}
    rotary = {"positional_embedding_type": "rotary", "rotary_dim": WIDTH // HEADS, "rotary_adjacent_pairs": False}
    config = HookedTransformerConfig(
        **SHARED,
        **shape,
        **rotary,
        gated_mlp=True,
        final_rms=True,
        n_key_value_heads=HEADS // 2,
        original_architecture="LlamaForCausalLM",
    )
    return convert_llama_weights(model, config), config


MODELS: dict[str, tuple[Callable[[], Any], Callable[[Any], Converted]]] = {
    "gpt2": (a_gpt2, as_gpt2),
    "llama": (a_llama, as_llama),
}


class Case:
    """One model's prompts, with the questions that are asked of it."""

    def __init__(self, source: Any, convert: Callable[[Any], Converted]) -> None:
        generator = torch.Generator().manual_seed(SEED)
        shape = (PROMPTS, LENGTH)
        self.clean = torch.randint(VOCABULARY, shape, generator=generator)
        self.corrupted = torch.randint(VOCABULARY, shape, generator=generator)
        self.corrupted[:, :FIRST_CHANGE] = self.clean[:, :FIRST_CHANGE]
        self.right = torch.randint(VOCABULARY, (PROMPTS,), generator=generator)
        self.wrong = (self.right + 1) % VOCABULARY
        self.raw = hooked(source, convert, fold_ln=False, center_writing_weights=False, fold_value_biases=False)
        self.folded = hooked(source, convert)
        self.with_bias = hooked(source, convert, fold_value_biases=False)
        self.every = [(layer, head) for layer in range(LAYERS) for head in range(HEADS)]

    def logit_diff(self, logits: Tensor) -> Tensor:
        rows = torch.arange(PROMPTS)
        return logits[rows, -1, self.right] - logits[rows, -1, self.wrong]

    def prompts(self) -> dict[str, Tensor]:
        return {"clean": self.clean, "corrupted": self.corrupted, "right": self.right, "wrong": self.wrong}

    @torch.no_grad()
    def numbers(self) -> dict[str, Tensor]:
        """Logit differences (intervention, prompt), but for logits and pattern."""
        _, clean = self.folded.run_with_cache(self.clean)
        return {
            "logits": self.raw(self.clean)[:, -1],
            "pattern": torch.stack([clean["pattern", layer] for layer in range(LAYERS)]),
            "head patching": self.patched(clean, "z", self.every),
            "residual patching": self.patched(clean, "resid_pre", [(i, at) for i in range(LAYERS) for at in (3, 5, 7)]),
            "mean ablation": torch.stack([self.ablated(self.folded, head, "mean") for head in self.every]),
            "zero ablation raw": torch.stack([self.ablated(self.raw, head, "zero") for head in self.every]),
            "zero ablation folded": torch.stack([self.ablated(self.folded, head, "zero") for head in self.every]),
            "path patching recomputed": torch.stack([self.path(head, ("z",)) for head in self.every]),
            "path patching frozen": torch.stack([self.path(head, ("z", "mlp_out")) for head in self.every]),
            "attribution patching": self.attributed(clean),
            "direct logit attribution": self.direct(),
        }

    def patched(self, cache: Any, name: str, places: Sequence[tuple[int, int]]) -> Tensor:
        setter = patching.layer_head_vector_patch_setter if name == "z" else patching.layer_pos_patch_setter
        found = []
        for layer, which in places:
            hook = partial(lambda value, hook, index: setter(value, index, cache[hook.name]), index=(layer, which))
            at = f"blocks.{layer}.attn.hook_z" if name == "z" else f"blocks.{layer}.hook_resid_pre"
            found.append(self.logit_diff(self.folded.run_with_hooks(self.corrupted, fwd_hooks=[(at, hook)])))
        return torch.stack(found)

    def ablated(self, model: HookedTransformer, head: tuple[int, int], how: str) -> Tensor:
        """The mean is over the corrupted prompts, at each position."""
        at = f"blocks.{head[0]}.attn.hook_z"
        _, cache = model.run_with_cache(self.corrupted)

        def write(z: Tensor, hook: Any) -> Tensor:
            z[:, :, head[1]] = cache[at].mean(0)[:, head[1]] if how == "mean" else 0
            return z

        return self.logit_diff(model.run_with_hooks(self.clean, fwd_hooks=[(at, write)]))

    def path(self, sender: tuple[int, int], frozen: Sequence[str]) -> Tensor:
        """The sender's clean z in the corrupted run, felt by the logits; what is frozen stays as it was."""
        _, clean = self.folded.run_with_cache(self.clean)
        _, corrupted = self.folded.run_with_cache(self.corrupted)

        def keep(value: Tensor, hook: Any) -> Tensor:
            value = corrupted[hook.name].clone()
            if hook.name == f"blocks.{sender[0]}.attn.hook_z":
                value[:, :, sender[1]] = clean[hook.name][:, :, sender[1]]
            return value

        kinds = {"z": "attn.hook_z", "mlp_out": "hook_mlp_out"}
        hooks = [(f"blocks.{layer}.{kinds[kind]}", keep) for layer in range(LAYERS) for kind in frozen]
        return self.logit_diff(self.folded.run_with_hooks(self.corrupted, fwd_hooks=hooks))

    def direct(self) -> Tensor:
        """What each head, its value bias included, adds to the clean run's logit difference."""
        model = self.with_bias
        _, cache = model.run_with_cache(self.clean)
        heads = cache.stack_head_results(layer=-1, pos_slice=-1, apply_ln=True)  # (layers * heads, prompt, d_model)
        directions = model.W_U[:, self.right] - model.W_U[:, self.wrong]  # (d_model, prompt)
        return (heads * directions.T).sum(-1)

    @torch.enable_grad()
    def attributed(self, clean: Any) -> Tensor:
        """The corrupted run's logit difference, and what its gradient says each head's clean z would add."""
        seen: dict[str, Tensor] = {}
        gradients: dict[str, Tensor] = {}
        is_z = lambda name: name.endswith("hook_z")  # noqa: E731 - the form in which TransformerLens takes filters
        forward = [(is_z, lambda z, hook: seen.update({hook.name: z.detach()}))]
        back = [(is_z, lambda gradient, hook: gradients.update({hook.name: gradient}))]
        with self.folded.hooks(fwd_hooks=forward, bwd_hooks=back):
            found = self.logit_diff(self.folded(self.corrupted))
            found.sum().backward()
        slopes = [((clean[name] - seen[name]) * gradients[name]).sum((1, 3)).T for name in sorted(seen)]
        return found.detach() + torch.cat(slopes)


def hooked(source: Any, convert: Callable[[Any], Converted], **asked: bool) -> HookedTransformer:
    weights, config = convert(source)
    model = HookedTransformer(config)
    model.load_and_process_state_dict(weights, **asked, center_unembed=not asked)
    return model.eval()


def checkpoint(make: Callable[[], Any]) -> Any:
    """Weights large enough, and biases and gains uneven enough, for every mistake to show."""
    generator = torch.Generator().manual_seed(SEED)
    model = make().eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(1 + 0.3 * noise if parameter.ndim == 1 and name.endswith("weight") else 0.3 * noise)
    return model


def rounded(tensor: Tensor) -> Any:
    if tensor.dtype == torch.long:
        return tensor.tolist()
    return json.loads(json.dumps(tensor.tolist()), parse_float=lambda text: float(f"{float(text):.{DIGITS}g}"))


def main() -> None:
    for name, (make, convert) in MODELS.items():
        model = checkpoint(make)
        model.save_pretrained(FOLDER / name)
        case = Case(model, convert)
        said = {"prompts": case.prompts(), "numbers": case.numbers()}
        values = {part: {key: rounded(tensor) for key, tensor in found.items()} for part, found in said.items()}
        (FOLDER / name / "numbers.json").write_text(json.dumps(values) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
