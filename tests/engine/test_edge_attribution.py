"""Edge attribution: answers worked out by hand, sums that must hold, and agreement with a copy for each reader."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch
from torch import Tensor

from tests.engine.conftest import DEVICE, write_checkpoint
from tests.engine.made_bundles import PAIRS, a_measurement, arms_of, numbers_in, stated_prompts
from tests.engine.made_families import MADE
from tests.engine.one_layer import ASKED, NAMES
from workers.engine.anatomy import Loaded
from workers.engine.answers import AnswerTable
from workers.engine.arms import plan, settings
from workers.engine.attributing import attribute
from workers.engine.documents.document import Invalid
from workers.engine.documents.reach import can_reach
from workers.engine.edge_gradients import Nodes
from workers.engine.edge_scores import AT_BASE, edge_scores
from workers.engine.edit import CannotEdit
from workers.engine.loading import load_folder
from workers.engine.measuring import job
from workers.engine.setting import Setting
from workers.engine.techniques.edge_attribution import Spec, sentence

EDITED, CLEAN, CORRUPTED = ("edited", 0), ("clean", 0), ("corrupted", 0)


def attributed(loaded: Loaded, how: str = "replay", **spec):
    return arms_of(loaded, PAIRS, "edge_attribution", how, corruption="other", **spec)


# One of each layout that matters: post-norms, parallel blocks, shared keys, norms of q and k, multipliers.
FAMILIES = ("gemma2", "gptj", "gpt_neox", "falcon/7b", "falcon/40b", "olmo2", "qwen3", "granite", "opt")


@pytest.fixture(params=FAMILIES, scope="module")
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return load_folder(write_checkpoint(tmp_path_factory.mktemp("family"), MADE[request.param]()), DEVICE)


def prompts_of(loaded: Loaded) -> tuple[Tensor, Tensor, AnswerTable]:
    """Clean and corrupted tokens (batch, pos), from the third token on different, and what is read at the last."""
    clean = torch.tensor([[0, 2, 1, 2, 0, 1], [0, 2, 3, 1, 2, 5]])
    corrupted = torch.cat([clean[:, :2], clean[:, 2:] + 1], dim=1)
    one = torch.ones(2, 1, dtype=torch.bool)
    right, wrong = torch.tensor([[[1]], [[2]]]), torch.tensor([[[3]], [[0]]])  # (batch, n_reads, 1)
    answers = AnswerTable(torch.full((2, 1), 5), one, right, one[..., None], wrong, one[..., None])
    return clean.to(loaded.device), corrupted.to(loaded.device), answers_on(answers, loaded.device)


def answers_on(answers: AnswerTable, device: torch.device) -> AnswerTable:
    found = {field.name: getattr(answers, field.name) for field in fields(answers)}
    return AnswerTable(**{name: None if tensor is None else tensor.to(device) for name, tensor in found.items()})


def setting_of(loaded: Loaded) -> Setting:
    """PAIRS on the model."""
    made = job(a_measurement(loaded, PAIRS, "edge_attribution", components=["1.2"], corruption="other"), 0, loaded)
    prompts = stated_prompts(made)
    planned = plan(made.measurement, made.spec, prompts[0])
    ((_, setting),) = settings(prompts, loaded, made.fit, planned.metrics)
    return setting


IG = {"method": "eap_ig_inputs", "steps": 3}


@pytest.mark.parametrize("direction", ["denoise", "noise"])
@pytest.mark.parametrize(
    "edges",
    [
        {"components": ["1.2", "mlp.0"]},
        {"components": ["0.1@MIDDLE", "embed"], "receivers": ["2.1.q"]},
        {"components": ["0.1", "mlp.1"], "receivers": ["2.1.k", "2.3.v"]},
        {"components": ["1.0", "attn.0"], "receivers": ["mlp.1", "3.2"]},
        {"components": ["0.1", "0.2"], "receivers": ["2.1.q@END", "3.1.v@MIDDLE"]},
        {"components": ["embed", "1.3"], "receivers": ["mlp.3", "3.0.q", "logits"], **IG},
        {"components": ["0.3"], "receivers": ["2.2.k"], **IG, "points": "middle"},
        {"components": ["mlp.0"], "receivers": ["1.1", "mlp.2"], **IG, "points": "right"},
    ],
)
def test_all_edges_at_once_and_a_copy_for_each_reader_agree(random_model: Loaded, direction: str, edges: dict) -> None:
    fast, slow = (attributed(random_model, how, direction=direction, **edges) for how in ("replay", "oracle"))
    for key in fast.values:
        assert numbers_in(fast, key) == pytest.approx(numbers_in(slow, key), abs=5e-6), key
    base = "corrupted" if direction == "denoise" else "clean"
    assert numbers_in(fast, EDITED) != pytest.approx(numbers_in(fast, (base, 0)), abs=1e-4)


def test_all_edges_out_of_a_node_are_the_nodes_own_estimate(family: Loaded) -> None:
    """What a sender does to first order, it does by way of some receiver."""
    clean, corrupted, answers = prompts_of(family)
    edges = edge_scores(family, clean, corrupted, answers, "logit_diff")
    nodes = attribute(family, clean, corrupted, answers, "logit_diff", ("z", "mlp", "resid"))
    for sender, scores in zip(edges.senders, edges.scores, strict=True):
        whole = nodes.of(sender, None).mean()
        assert float(scores.sum()) == pytest.approx(float(whole), abs=1e-5), sender


def test_a_stream_with_a_norm_on_it_has_no_edges(tmp_path) -> None:
    loaded = load_folder(write_checkpoint(tmp_path, MADE["opt/post-norm"]()), DEVICE)
    with pytest.raises(CannotEdit, match="does not hand the residual stream on"):
        edge_scores(loaded, *prompts_of(loaded), "logit_diff")


@pytest.mark.parametrize("technique", ["edge_attribution", "path_patching"])
@pytest.mark.parametrize(
    ("sender", "receiver", "change"),
    [
        ("0.0", "logits", 2 / 3),  # z at END is a third of all three tokens
        ("0.0@MIDDLE", "logits", 0),  # nobody reads the answer there
        ("0.1", "logits", 0),  # its output weights are 0
        ("embed", "logits", 0),  # the last token is the same in both
        ("embed", "0.0.v", 2 / 3),
        ("embed@MIDDLE", "0.0.v@MIDDLE", 2 / 3),
        ("embed@END", "0.0.v", 0),
        ("embed", "0.0.q", 0),  # attention is uniform whatever is asked
        ("embed", "0.0", 2 / 3),
    ],
)
def test_in_a_linear_model_an_edges_estimate_is_what_path_patching_does(
    averaging: Loaded, technique: str, sender: str, receiver: str, change: float
) -> None:
    """logit_diff at END is 1/3 clean and -1/3 corrupted."""
    edge = {"components": [sender], "receivers": [receiver], "corruption": "other"}
    run = arms_of(averaging, NAMES, technique, **edge)
    assert numbers_in(run, CORRUPTED) == pytest.approx([-1 / 3], abs=1e-5)
    assert numbers_in(run, EDITED) == pytest.approx([-1 / 3 + change], abs=1e-5)
    noised = arms_of(averaging, NAMES, technique, direction="noise", **edge)
    assert numbers_in(noised, EDITED) == pytest.approx([1 / 3 - change], abs=1e-5)


@pytest.mark.parametrize(
    ("technique", "method", "change"),
    [
        ("path_patching", {}, 2.0),  # from -1 to 1
        ("edge_attribution", {}, 0.0),  # the softmax is saturated in the corrupted run
        ("edge_attribution", {"method": "eap_ig_inputs", "steps": 5, "points": "middle"}, 10.0),
        ("edge_attribution", {"method": "eap_ig_inputs", "steps": 100, "points": "middle"}, 2.0),
    ],
)
def test_integrated_gradients_see_past_saturation_if_their_steps_are_many(
    decided: Loaded, technique: str, method: dict, change: float
) -> None:
    """A share s of the way, the scores of tokens 1 and 0 are 50 (1 - s) and 50 s, and logit_diff is tanh(50 s - 25).

    Its slope is 50 at s = 1/2, within one step of five, and next to 0 elsewhere: 50 / 5. A hundred steps find the area.
    """
    edge = {"components": ["embed"], "receivers": ["0.0.q"], "corruption": "other"}
    run = arms_of(decided, ASKED, technique, **edge, **method)
    assert numbers_in(run, EDITED) == pytest.approx([-1.0 + change], abs=1e-4)


def test_a_sweep_is_the_mean_of_the_claims(random_model: Loaded) -> None:
    """`edge_scores` sums over prompts as it goes; the technique keeps each prompt's number."""
    loaded, setting = random_model, setting_of(random_model)
    clean, corrupted = setting.clean.tokens, setting.corrupted("other").tokens
    found = edge_scores(loaded, clean, corrupted, setting.answers, "logit_diff", (0.0, 0.5))
    rows, columns = (list(map(str, ends)) for ends in (found.senders, found.receivers))
    for sender, receiver in [("1.2", "logits"), ("0.3", "2.1.k"), ("embed", "mlp.0"), ("mlp.1", "3.2.v")]:
        run = attributed(loaded, components=[sender], receivers=[receiver], method="eap_ig_inputs", steps=2)
        change = torch.tensor(numbers_in(run, EDITED)) - torch.tensor(numbers_in(run, CORRUPTED))
        score = found.scores[rows.index(sender), columns.index(receiver)]
        assert float(score) == pytest.approx(float(change.mean()), abs=1e-5), (sender, receiver)


def test_the_graph_of_gpt2_small_has_as_many_edges_as_published() -> None:
    nodes = Nodes(layers=12, heads=12, mlps=True)
    heads = sum(36 * nodes.before(layer) for layer in range(12))
    mlps = sum(nodes.before(layer) + 12 for layer in range(12))
    assert (len(nodes.senders), len(nodes.receivers)) == (157, 445)
    assert heads + mlps + len(nodes.senders) == 32_491


def test_what_writes_later_has_no_edge(random_model: Loaded) -> None:
    clean, corrupted, answers = prompts_of(random_model)
    found = edge_scores(random_model, clean, corrupted, answers, "logit_diff")
    for sender, edges in zip(found.senders, found.edges, strict=True):
        for receiver, edge in zip(found.receivers, edges, strict=True):
            assert bool(edge) == can_reach(sender, receiver), (sender, receiver)
    assert not found.scores[~found.edges].any()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"corruption": None}, "name a corruption|needs a second run"),
        ({"report": "kept"}, "belongs to ablation"),
        ({"given": [{"components": ["0.1"]}]}, "remove given"),
        ({"components": ["1.2.q"]}, "is no sender"),
        ({"components": ["resid.2"]}, "is no sender"),
        ({"receivers": ["attn.2"]}, "is no receiver"),
        ({"receivers": ["2.1.pattern"]}, "is no receiver"),
        ({"receivers": ["0.1.q"]}, "no edge from 1.2 to 0.1.q"),
        ({"steps": 5}, "eap takes one gradient"),
        ({"method": "eap_ig_inputs"}, "say how many as steps"),
        ({"metric": "accuracy"}, "no useful gradient"),
        ({"metric": "kl", "direction": "noise"}, "its gradient 0"),
    ],
)
def test_what_is_no_edge_is_refused(fields: dict, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        Spec.from_json({"metric": "logit_diff", "components": ["1.2"], "corruption": "abc", **fields})


def test_steps_lie_where_the_spec_says() -> None:
    def shares(points: str) -> tuple[float, ...]:
        stated = {"metric": "logit_diff", "components": ["1.2"], "corruption": "abc", "method": "eap_ig_inputs"}
        return Spec.from_json({**stated, "steps": 4, "points": points}).shares

    assert shares("left") == (0, 0.25, 0.5, 0.75)
    assert shares("middle") == (0.125, 0.375, 0.625, 0.875)
    assert shares("right") == (0.25, 0.5, 0.75, 1)
    assert Spec.from_json({"metric": "logit_diff", "components": ["1.2"], "corruption": "abc"}).shares == AT_BASE


def test_the_sentence_names_both_ends() -> None:
    spec = {"metric": "logit_diff", "components": ["1.2@END"], "receivers": ["2.1.q"], "corruption": "abc"}
    assert sentence(Spec.from_json(spec)) == (
        "estimating from gradients what values of 1.2@END as read by 2.1.q on clean prompts would do in the run on "
        "abc-corrupted ones"
    )
    assert sentence(Spec.from_json({**spec, **IG, "direction": "noise"})) == (
        "estimating from the gradients of 3 interpolated runs what values of 1.2@END as read by 2.1.q on abc-corrupted "
        "prompts would do in the clean run"
    )
