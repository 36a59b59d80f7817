"""Direct logit attribution: contributions sum to the logit, and each can be worked out with a frozen norm by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.engine.made_bundles import PAIRS, a_measurement, arms_of, numbers_in
from workers.engine.anatomy import Loaded
from workers.engine.documents.document import Invalid
from workers.engine.frozen_norms import frozen
from workers.engine.measuring import fit_of
from workers.engine.prompts import Answer, Prompt, Refused
from workers.engine.reading_by_hand import _held
from workers.engine.record import record
from workers.engine.setting import How, Setting
from workers.engine.techniques.direct_logit_attribution import Spec, run, sentence

EDITED, CLEAN = ("edited", 0), ("clean", 0)
EXACT = {"abs": 1e-5}
TWO_READS = Prompt(
    text="two reads",
    tokens=(0, 2, 1, 2, 0, 1),
    answers=(Answer(3, (1,), (0,)), Answer(5, (2,), (1, 0))),
    positions={"MIDDLE": 3, "END": 5},
)


def attributed(loaded: Loaded, components: list[str], how: str = "replay", prompts=PAIRS, **spec):
    return arms_of(loaded, prompts, "direct_logit_attribution", how, components=components, **spec)


@pytest.mark.parametrize("metric", ["logit", "logit_diff"])
def test_all_that_is_written_and_the_constants_sum_to_the_logit(random_model: Loaded, metric: str) -> None:
    found = attributed(random_model, ["embed", "attn.*", "mlp.*", "logits"], metric=metric)
    assert numbers_in(found, EDITED, metric) == pytest.approx(numbers_in(found, CLEAN, metric), **EXACT)


def test_so_does_the_last_residual_stream_and_every_earlier_one_with_what_follows(random_model: Loaded) -> None:
    for places in (["resid.4", "logits"], ["resid.2", "attn.2", "mlp.2", "attn.3", "mlp.3", "logits"]):
        found = attributed(random_model, places)
        assert numbers_in(found, EDITED) == pytest.approx(numbers_in(found, CLEAN), **EXACT)


def test_the_heads_of_a_layer_sum_to_its_attention_less_the_output_bias(random_model: Loaded) -> None:
    """The bias b_O, alone, through the norm held at the prompt's last stream."""
    heads, attn = (numbers_in(attributed(random_model, [text]), EDITED) for text in ("1.*", "attn.1"))
    b_O = random_model.architecture.output_bias(random_model.attention(1))
    W_U = random_model.model.lm_head.weight
    for i, prompt in enumerate(PAIRS["prompts"]):
        last = record(random_model, torch.tensor([prompt["tokens"]])).resid[-1][:, -1]
        part = frozen(random_model.final_norm(), last).part(b_O.double())[0].float()
        logits = W_U @ part
        right, wrong = logits[prompt["right"]].mean(), logits[prompt["wrong"]].mean()
        assert attn[i] - heads[i] == pytest.approx(float(right - wrong), abs=1e-5)


def test_a_heads_contribution_is_what_pencil_and_paper_give(random_model: Loaded) -> None:
    """LayerNorm: gain (c - mean c) / sqrt(var x + eps); RMSNorm: gain c / sqrt(mean x² + eps)."""
    prompt, norm = PAIRS["prompts"][0], random_model.final_norm()
    clean = record(random_model, torch.tensor([prompt["tokens"]]))
    x, c = clean.resid[-1][0, -1], clean.z[1][0, -1, 2] @ random_model.W_O(1)[2]
    if isinstance(norm, nn.LayerNorm):
        normed = norm.weight * (c - c.mean()) / (x.var(correction=0) + norm.eps).sqrt()
    else:
        normed = norm.weight * c / (x.square().mean() + norm.variance_epsilon).sqrt()
    logits = random_model.model.lm_head.weight @ normed
    assert numbers_in(attributed(random_model, ["1.2"]), EDITED)[0] == pytest.approx(
        float(logits[1] - logits[0]), abs=1e-5
    )


@pytest.mark.parametrize("metric", ["logit", "logit_diff"])
@pytest.mark.parametrize(
    "components", [["1.2"], ["{last}.*"], ["attn.1", "mlp.0"], ["mlp.1.5"], ["resid.1"], ["embed"], ["logits"]]
)
def test_the_fast_path_agrees_with_taking_writes_off_a_plain_run(
    model: Loaded, components: list[str], metric: str
) -> None:
    places = [text.format(last=model.layers - 1) for text in components]
    fast, slow = (attributed(model, places, how, metric=metric) for how in ("replay", "oracle"))
    assert numbers_in(fast, EDITED, metric) == pytest.approx(numbers_in(slow, EDITED, metric), abs=1e-4)


@pytest.mark.parametrize("how", ["replay", "oracle"])
def test_several_answers_count_alike_unless_one_position_is_named(random_model: Loaded, how: How) -> None:
    setting = Setting(
        random_model, (TWO_READS,), fit_of(a_measurement(random_model, PAIRS, "behavior"), random_model), (), how
    )
    specs = [Spec.from_json({"metric": "logit_diff", "components": [f"1.2{at}"]}) for at in ("", "@MIDDLE", "@END")]
    every, middle, end = (float(effect.arm["logit_diff"][0]) for effect in run(setting, specs))
    assert every == pytest.approx((middle + end) / 2, abs=1e-5)
    assert middle != pytest.approx(end, abs=1e-3)


def test_where_no_answer_is_read_nothing_is_written_to_it(random_model: Loaded) -> None:
    with pytest.raises(Refused, match="no answer is read at END-1; leave the position out"):
        attributed(random_model, ["1.2@END-1"])


def test_norms_of_every_kind_are_held_and_others_refused() -> None:
    torch.manual_seed(0)
    x, y = torch.randn(3, 7), torch.randn(3, 7)
    layer_norm, rms_norm = nn.LayerNorm(7), nn.RMSNorm(7)
    for parameter in (layer_norm.weight, layer_norm.bias, rms_norm.weight):
        nn.init.normal_(parameter)
    for norm in (layer_norm, rms_norm, nn.Identity(), lambda x: 0.25 * x, nn.LayerNorm(7, elementwise_affine=False)):
        held = frozen(norm, x)
        whole = held.part(y.double()) + held.part(x.double() - y.double()) + held.bias
        assert torch.allclose(whole.float(), norm(x), atol=1e-5)
        assert torch.allclose((held.back(y.double()) * x).sum(-1), (held.part(x.double()) * y).sum(-1))
    with pytest.raises(Refused, match="neither a LayerNorm nor an RMSNorm"):
        frozen(torch.tanh, x)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"metric": "prob"}, "not linear"),
        ({"components": ["1.2.q"]}, "writes nothing to the logits"),
        ({"components": ["1.2[END>IO]"]}, "writes nothing to the logits"),
        ({"corruption": "abc"}, "untouched run"),
        ({"given": [{"components": ["0.1"]}]}, "untouched run"),
        ({"report": "change"}, "report"),
    ],
)
def test_what_is_not_written_is_refused(fields: dict, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        Spec.from_json({"metric": "logit_diff", "components": ["1.2"], **fields})


def test_the_sentence_says_whose_share_is_read() -> None:
    spec = Spec.from_json({"metric": "logit", "components": ["1.2", "1.3"], "over": "each", "contrast": ["0.1"]})
    assert sentence(spec) == (
        "reading what each of 1.2 and 1.3 alone directly adds to the logits, compared with 0.1 instead"
    )


@pytest.mark.parametrize("norm", [nn.RMSNorm(8), nn.LayerNorm(8)])
def test_the_slow_truth_tells_a_norm_that_centers_however_large_the_stream(norm: nn.Module) -> None:
    """Held at a stream of thousands: what is written is divided by its size, and centered by a LayerNorm alone."""
    stream, written = torch.randn(2, 3, 8, generator=torch.Generator().manual_seed(0)).unbind()
    large = 5000 * stream
    centered = isinstance(norm, nn.LayerNorm)
    size = (large.var(-1, correction=0) if centered else large.square().mean(-1)).sqrt()[:, None]
    expected = (written - written.mean(-1, keepdim=True) if centered else written) / size
    torch.testing.assert_close(_held(norm, large)(written), expected, rtol=1e-4, atol=1e-8)
