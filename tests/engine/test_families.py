"""Every family, and each layout that its config can choose: the replay against plain hooks, on small random weights.

The traps that the families set, and the test that meets each:

| trap | test |
|---|---|
| weights stored (in, out) or (out, in); d_head is not d_model / heads | `…the_self_check_passes…`, `…dimensions…` |
| the output projection's name | `…the_self_check_passes…` (sum of heads) |
| no mask is passed, or one of its own per layer; sliding windows | `…windows…`, `…called_again…` |
| rotary, learned and ALiBi positions; one mask per head | `…called_again…`, `…every_kind_of_edit…` (ragged reads) |
| the cache's name; cache and mask passed by position | `…called_again…` |
| a cache made for windows drops positions | `…windows…` |
| attention scores capped, attention in 32 bits, eager alone | `…own_numbers…`, `…double_precision…` |
| an attention that takes its queries for the last keys | `…counts_back…` |
| norms behind, MLP beside the attention, scales: what is added | `…what_a_layer_adds…` |
| layers that return tuples; patterns from eager attention only | `…own_numbers…` |
| q, k and v in one projection, keys and values shared | `…shared_key…`, `…every_kind_of_edit…` |
| MLPs whose output is added to in place, or that join prompts and positions | `…every_technique…` |
| logits scaled, capped, projected; embeddings scaled | `…own_numbers…`, test_selfcheck |
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from tests.engine.conftest import DEVICE, write_checkpoint
from tests.engine.made_bundles import PAIRS, arms_of
from tests.engine.made_families import MADE
from workers.engine.anatomy import Loaded, survey
from workers.engine.architectures import Architecture, Projected
from workers.engine.documents.components import component
from workers.engine.edit import Edit, read
from workers.engine.loading import CannotLoad, load_folder, misreadings_refused, refuse_unproved
from workers.engine.oracle import oracle
from workers.engine.record import KeyValuePrefix, Record, record
from workers.engine.replay import logits, replay
from workers.engine.selfcheck import TOLERANCE, selfcheck
from workers.engine.setting import How

LENGTH, WINDOW = 12, 4
KINDS = (
    ["0.1", "2.0", "1.1.q", "2.2.q", "0.3.k", "2.1.k", "1.0.v", "2.2.v", "1.2.pattern", "2.0.pattern"]
    + ["attn.0", "attn.2", "mlp.0", "mlp.2", "resid.0", "resid.1", "resid.2", "resid.3"]
    + ["0.0.q 0.0.k 0.1.k 0.2.v 1.2", "0.0.k 0.1.v 0.2.q 2.0.v 2.1.v mlp.1", "0.1.pattern 0.2.k 0.0 1.1 attn.2"]
)
HOWS: tuple[How, ...] = ("replay", "oracle")
OTHER = {"corruption": "other"}
TECHNIQUES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("path_patching", {"components": ["0.2"], "receivers": ["1.1.q", "1.1.v"], **OTHER}),
    ("path_patching", {"components": ["0.2", "mlp.0"], "receivers": ["mlp.1"], "mlps": "frozen", **OTHER}),
    ("attribution_patching", {"components": ["1.1.q", "1.0.k", "0.1.v", "mlp.1.3"], "over": "each", **OTHER}),
    ("edge_attribution", {"components": ["0.2"], "receivers": ["1.1.q"], **OTHER}),
    ("direct_logit_attribution", {"components": ["0.2", "attn.1", "mlp.1"], "over": "each"}),
    ("ablation", {"components": ["0.2", "mlp.1"], "ablation": "mean"}),
)
ADDITIVE = ("edge_attribution", "direct_logit_attribution")  # techniques that need what is added to stay as it is
ATTENTION_IN_32_BITS = {"gptj": 1e-6}  # Hugging Face casts its queries and keys
WINDOWED = {"mistral": {0, 1, 2}, "phi3": {0, 1, 2}, "qwen2": {0, 2}, "gemma2": {0, 2}, "gemma3_text": {0, 2}}
WINDOWED |= {"gpt_neo": {0, 2}}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("families")
    return {name: write_checkpoint(folder / name.replace("/", "-"), make()) for name, make in MADE.items()}


@pytest.fixture(scope="module", params=MADE)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def loaded(name: str, folders: dict[str, Path]) -> Loaded:
    return load_folder(folders[name], DEVICE)


@pytest.fixture(scope="module")
def prompts() -> Tensor:
    return torch.randint(41, (4, LENGTH), generator=torch.Generator().manual_seed(2))


@pytest.fixture(scope="module")
def others(prompts: Tensor) -> Tensor:
    """The same prompts, corrupted from position 3 on."""
    return torch.cat([prompts[:, :3], (prompts[:, 3:] + 7) % 41], dim=1)


@pytest.fixture(scope="module")
def reads() -> Tensor:
    """(batch, 2): the last position and, for each prompt, another one before it."""
    return torch.stack([torch.full((4,), LENGTH - 1), 5 + torch.arange(4)], dim=1)


def close(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and bool((one - other).abs().max() <= TOLERANCE * other.abs().max())


def edits(clean: Record, texts: str, at: Tensor | None) -> list[Edit]:
    """Each component takes its value in the clean run."""
    parts = [component(text) for text in texts.split()]
    return [Edit(part, at, read(clean, part, at)) for part in parts]


def most_moved_neuron(clean: Record, base: Record, layer: int) -> str:
    moved = (clean.neurons(layer) - base.neurons(layer)).abs().amax(dim=(0, 1))
    return f"mlp.{layer}.{int(moved.argmax())}"


def largest_difference(base: Record, clean: Record, reads: Tensor) -> tuple[float, float]:
    """Between replay and plain hooks, over all kinds of edits and of positions, and the least that a kind moved."""
    neurons = [most_moved_neuron(clean, base, layer) for layer in (1, 2)]
    one, ragged = torch.full((4,), 4), 3 + torch.arange(4)
    differences, moves = [], []
    untouched = oracle(base.loaded, base.tokens, [[]], reads).logits
    for texts in [*KINDS, *neurons]:
        interventions = [edits(clean, texts, at) for at in (None, one, ragged)]
        fast, slow = replay(base, interventions, reads), oracle(base.loaded, base.tokens, interventions, reads)
        assert fast.wrote.all(), texts
        difference = (logits(base.loaded, fast.resid) - slow.logits).abs().max() / slow.logits.abs().max()
        differences.append(float(difference))
        moves.append(float((slow.logits[0] - untouched).abs().max()))
    assert not torch.tensor(differences).isnan().any()
    return max(differences), min(moves)


def test_the_self_check_passes_far_below_its_tolerance(loaded: Loaded) -> None:
    assert max(found.relative for found in selfcheck(loaded)) < TOLERANCE / 5


def test_every_kind_of_edit_agrees_with_plain_hooks(
    loaded: Loaded, prompts: Tensor, others: Tensor, reads: Tensor
) -> None:
    difference, least_moved = largest_difference(record(loaded, prompts), record(loaded, others), reads)
    assert difference <= TOLERANCE
    assert least_moved > 1e-4


def test_in_double_precision_they_agree_but_for_rounding(
    name: str, folders: dict[str, Path], prompts: Tensor, others: Tensor, reads: Tensor
) -> None:
    """What is left in single precision is noise: with record and replay both under eager attention, opt-350m's too."""
    double = load_folder(folders[name], DEVICE, "float64")
    difference, _ = largest_difference(record(double, prompts), record(double, others), reads)
    assert difference <= ATTENTION_IN_32_BITS.get(name, 1e-13)


def test_a_record_holds_hugging_faces_own_numbers(loaded: Loaded, prompts: Tensor) -> None:
    base = record(loaded, prompts)
    own = loaded.model(input_ids=base.tokens, output_hidden_states=True, output_attentions=True, use_cache=False)
    assert all(map(close, base.resid[:-1], own.hidden_states[:-1]))
    assert all(close(base.pattern(layer), own.attentions[layer]) for layer in range(loaded.layers))
    assert close(logits(loaded, base.resid[-1]), own.logits)
    rows = torch.tensor([5, 0], device=base.tokens.device)
    assert close(logits(loaded, base.resid[-1], rows), own.logits[..., rows])


def test_every_layer_called_again_from_any_position_gives_what_followed(loaded: Loaded, prompts: Tensor) -> None:
    base = record(loaded, prompts)
    for layer, call in enumerate(base.calls):
        for start in range(LENGTH):
            prefix = KeyValuePrefix(base.k[layer][:, :, :start], base.v[layer][:, :, :start])
            positions = torch.arange(start, LENGTH, device=base.tokens.device)[None]
            again = call.run(base.resid[layer][:, start:], positions, LENGTH, prefix)
            assert close(again, base.resid[layer + 1][:, start:])


def test_every_technique_agrees_with_its_slow_truth(name: str, loaded: Loaded) -> None:
    for technique, spec in TECHNIQUES:
        if technique in ADDITIVE and name in ("opt/350m", "opt/post-norm"):
            with pytest.raises(ValueError, match="a norm"):
                arms_of(loaded, PAIRS, technique, **spec)
            continue
        fast, slow = (arms_of(loaded, PAIRS, technique, how, **spec).values for how in HOWS)
        for arm, metrics in slow.items():
            for metric, values in metrics.items():
                assert torch.allclose(fast[arm][metric], values, atol=2e-5), (technique, arm, metric)


def test_windows_hide_what_is_further_back(name: str, loaded: Loaded, prompts: Tensor) -> None:
    base = record(loaded, prompts)
    back = torch.arange(LENGTH)[:, None] - torch.arange(LENGTH)  # (query, key)
    for layer in range(loaded.layers):
        seen = (base.pattern(layer) > 0).any(dim=0).any(dim=0).cpu()  # (query, key)
        windowed = layer in WINDOWED.get(name, ())
        assert torch.equal(seen, (back >= 0) & (back < WINDOW) if windowed else back >= 0)
        assert base.k[layer].shape[2] == LENGTH


def test_what_a_layer_adds_to_the_residual_stream_is_stated(loaded: Loaded, prompts: Tensor) -> None:
    base, added = record(loaded, prompts), loaded.architecture.added
    for layer in range(loaded.layers):
        mlp_out = base.mlp_out[layer]
        assert mlp_out is not None
        attn = added(loaded.layer(layer), "attn", base.attn_out[layer])
        mlp = added(loaded.layer(layer), "mlp", mlp_out)
        if attn is None or mlp is None:
            assert loaded.family == "opt" and not loaded.model.config.do_layer_norm_before
        else:
            assert close(base.resid[layer] + attn + mlp, base.resid[layer + 1])


def test_dimensions_are_read_off_the_model(name: str, loaded: Loaded) -> None:
    shared = {"falcon/7b": 1, "falcon/40b": 2}
    grouped = hasattr(loaded.model.config, "num_key_value_heads") and loaded.family != "falcon"
    assert (loaded.layers, loaded.heads, loaded.d_model, loaded.vocabulary, loaded.positions) == (3, 4, 32, 41, 16)
    assert loaded.kv_heads == shared.get(name, 2 if grouped else 4)
    assert loaded.d_head == (12 if loaded.family in ("qwen3", "gemma2", "gemma3_text") else 8)
    assert loaded.architecture.unembedding(loaded.model)[0].shape == (41, 32)
    assert loaded.architecture.embedding(loaded.model).shape == (41, 32)


def test_an_attention_that_counts_back_from_the_last_key_is_right_at_scattered_reads(
    folders: dict[str, Path], prompts: Tensor, others: Tensor
) -> None:
    """GPT-Neo masks by its keys' number: the last layer at positions 11 and 5 alone would see the wrong keys."""
    loaded = load_folder(folders["gpt_neo"], DEVICE)
    base, clean = record(loaded, prompts), record(loaded, others)
    for reads in (torch.tensor([[11, 5]] * 4), torch.tensor([[5, 6]] * 4), torch.tensor([[11]] * 4)):
        interventions = [edits(clean, "0.1", None)]
        assert close(replay(base, interventions, reads).resid, oracle(loaded, prompts, interventions, reads).resid)


@pytest.mark.parametrize("text", ["1.1.k", "2.2.v", "1.0.k 1.1.k 1.0.v 2.3.k"])
@pytest.mark.parametrize("name", ["phi3", "falcon/40b"])
def test_a_shared_key_edited_for_one_head_equals_a_model_that_shares_none(
    name: str, text: str, folders: dict[str, Path], tmp_path: Path, prompts: Tensor, others: Tensor, reads: Tensor
) -> None:
    """The same weights with each key and value written out for every query head that it serves."""
    grouped = load_folder(folders[name], DEVICE)
    model = MADE[name]()
    config = type(model.config)(
        **{**model.config.to_dict(), "num_key_value_heads": 4, "num_kv_heads": 4, "pad_token_id": None}
    )
    apart = type(model)(config)
    weights = dict(grouped.model.state_dict())
    fused = [key for key in weights if "qkv_proj" in key or "query_key_value" in key]
    for layer, key in enumerate(fused):
        blocks = weights[key].unflatten(0, (-1, grouped.d_head))
        block = [
            [grouped.architecture.projection(grouped.attention(layer), part, head)[1] for head in range(4)]
            for part in ("q", "k", "v")
        ]
        order = torch.tensor(block) if name == "phi3" else torch.tensor(block).T
        weights[key] = blocks[order.flatten()].flatten(0, 1)
    apart.load_state_dict(weights)
    apart.save_pretrained(tmp_path)
    ungrouped = load_folder(tmp_path, DEVICE)
    assert (grouped.kv_heads, ungrouped.kv_heads) == (2, 4)

    found = []
    for one in (grouped, ungrouped):
        base, clean = record(one, prompts), record(one, others)
        interventions = [edits(clean, text, None)]
        found += [oracle(one, prompts, interventions, reads).resid, replay(base, interventions, reads).resid]
    assert close(found[0], found[2]) and close(found[1], found[2]) and close(found[3], found[2])


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", ["gemma2", "opt/350m"])
def test_half_precision_is_loaded_where_asked_for_and_proved(
    name: str, dtype: str, folders: dict[str, Path], prompts: Tensor, others: Tensor, reads: Tensor
) -> None:
    half, single = load_folder(folders[name], DEVICE, dtype), load_folder(folders[name], DEVICE)
    assert str(half.model.dtype) == f"torch.{dtype}"
    difference, _ = largest_difference(record(half, prompts), record(half, others), reads)
    assert difference <= {"bfloat16": 5e-2, "float16": 1e-2}[dtype]
    rough, exact = (logits(one, record(one, prompts).resid[-1]).float() for one in (half, single))
    assert 1e-5 < ((rough - exact).abs().max() / exact.abs().max()).item() < 0.2


def other_head(own: Architecture, part: str) -> dict[str, Any]:
    """A projection whose q, k or v is another head's, of another group where they are shared."""

    def projection(attention: Any, asked: Projected, head: int) -> tuple[Any, int]:
        return own.projection(attention, asked, (head + 2) % 4 if asked == part else head)

    return {"projection": projection}


def other_part(own: Architecture, part: Projected, instead: Projected) -> dict[str, Any]:
    def projection(attention: Any, asked: Projected, head: int) -> tuple[Any, int]:
        return own.projection(attention, instead if asked == part else asked, head)

    return {"projection": projection}


MISREADINGS: Mapping[str, tuple[str, Callable[[Architecture], dict[str, Any]]]] = {
    **{f"{part} of another head": ("gpt_neox", lambda own, part=part: other_head(own, part)) for part in "qkv"},
    **{f"{part} of another group": ("falcon/40b", lambda own, part=part: other_head(own, part)) for part in "qkv"},
    "k for q": ("phi3", lambda own: other_part(own, "q", "k")),
    "q for k": ("gpt_neox", lambda own: other_part(own, "k", "q")),
    "v for k": ("qwen3", lambda own: other_part(own, "k", "v")),
    "q for v": ("gptj", lambda own: other_part(own, "v", "q")),
    "a block that is not there": ("gptj", lambda own: {"projection": lambda attention, *_: (attention.q_proj, 9)}),
    "keys shared by fewer": ("falcon/40b", lambda own: {"key_value_heads": lambda config: 4}),
    "keys shared by more": ("gpt_neox", lambda own: {"key_value_heads": lambda config: 2}),
    "no bias of W_O": ("gpt_neox", lambda own: {"output_bias": lambda attention: None}),
    "W_O transposed": (
        "opt",
        lambda own: {"output_weights": lambda attention, heads: attention.out_proj.weight.unflatten(0, (heads, -1))},
    ),
    "the projection up for that down": ("gpt_neox", lambda own: {"down_projection": lambda mlp: mlp.dense_h_to_4h}),
    "no MLP": ("phi", lambda own: {"mlp": lambda layer: None}),
    "another MLP": ("opt", lambda own: {"mlp": lambda layer: layer.fc1}),
    "no scale of what is added": ("granite", lambda own: {"added": lambda layer, part, output: output}),
    "no norm of what is added": ("olmo2", lambda own: {"added": lambda layer, part, output: output}),
    "embeddings without their scale": ("gemma2", lambda own: {"embedding": lambda m: m.model.embed_tokens.weight}),
    "embeddings for unembeddings": ("gptj", lambda own: {"unembedding": lambda m: (own.embedding(m), m.lm_head.bias)}),
    "no bias of the logits": ("phi", lambda own: {"unembedding": lambda m: (m.lm_head.weight, None)}),
    "no cap of the logits": ("gemma2", lambda own: {"finish_logits": lambda model, logits: logits}),
    "no scale of the logits": ("cohere", lambda own: {"finish_logits": lambda model, logits: logits}),
    "no final norm": ("falcon/rw", lambda own: {"final_norm": lambda model: model.lm_head}),
    "another attention": ("gpt_neo", lambda own: {"attention": lambda layer: layer.mlp}),
    "another output projection": ("gptj", lambda own: {"output_projection": lambda attention: attention.v_proj}),
    "queries anywhere": ("gpt_neo", lambda own: {"queries_last": lambda config: False}),
    "too few layers": ("mistral", lambda own: {"layers": lambda model: model.model.layers[:2]}),
}


@pytest.mark.parametrize("misreading", MISREADINGS)
def test_every_wrong_answer_of_a_family_file_is_caught_at_load(misreading: str, folders: dict[str, Path]) -> None:
    name, answers = MISREADINGS[misreading]
    loaded = load_folder(folders[name], DEVICE)
    own = loaded.architecture
    wrong = cast(Architecture, SimpleNamespace(**{**vars(own), **answers(own)}))
    with pytest.raises(CannotLoad, match="so it is refused"), misreadings_refused(loaded.folder, loaded.family):
        refuse_unproved(survey(loaded.model, wrong, loaded.origin, loaded.device))


@pytest.mark.parametrize("family", ["bloom", "mixtral", "gemma3", "qwen2_moe", "gpt_bigcode"])
def test_a_family_without_a_file_is_refused_with_those_that_have_one(
    family: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(folders["gpt_neox"], tmp_path / "odd"))
    text = (folder / "config.json").read_text()
    (folder / "config.json").write_text(text.replace('"model_type": "gpt_neox"', f'"model_type": "{family}"'))
    with pytest.raises(CannotLoad, match=f"model_type is '{family}'; the supported families are cohere, falcon,"):
        load_folder(folder)
