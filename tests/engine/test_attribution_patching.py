"""Attribution patching: cases worked out by hand, one where it is wrong, and agreement with plain autograd."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.engine.conftest import DEVICE, write_checkpoint
from tests.engine.made_bundles import PAIRS, arms_of, numbers_in
from tests.engine.made_families import MADE
from tests.engine.one_layer import ASKED, NAMES
from workers.engine.anatomy import Loaded
from workers.engine.documents.document import Invalid
from workers.engine.loading import load_folder
from workers.engine.techniques.attribution_patching import Spec, passes, sentence

EDITED, CLEAN, CORRUPTED = ("edited", 0), ("clean", 0), ("corrupted", 0)
CLOSE = {"abs": 1e-5}


def attributed(loaded: Loaded, how: str = "replay", **spec):
    return arms_of(loaded, PAIRS, "attribution_patching", how, corruption="other", **spec)


@pytest.mark.parametrize("technique", ["attribution_patching", "activation_patching"])
@pytest.mark.parametrize(
    ("place", "change"),
    [
        ("0.0", 2 / 3),  # z at END is a third of all three tokens: 1/3 clean, -1/3 corrupted
        ("0.0@END", 2 / 3),
        ("0.0@MIDDLE", 0),  # nobody reads what is written there
        ("0.0.v@MIDDLE", 2 / 3),
        ("0.0.v", 2 / 3),
        ("0.0.k", 0),
        ("0.1", 0),  # its output weights are 0
        ("attn.0", 2 / 3),
        ("embed@MIDDLE", 2 / 3),
        ("embed@END", 0),  # the same token in both
        ("resid.1@END", 2 / 3),
    ],
)
def test_in_a_linear_model_the_estimate_is_what_patching_does(
    averaging: Loaded, technique: str, place: str, change: float
) -> None:
    """logit_diff at END is 1/3 clean and -1/3 corrupted."""
    run = arms_of(averaging, NAMES, technique, components=[place], corruption="other")
    assert numbers_in(run, CLEAN) == pytest.approx([1 / 3], **CLOSE)
    assert numbers_in(run, CORRUPTED) == pytest.approx([-1 / 3], **CLOSE)
    assert numbers_in(run, EDITED) == pytest.approx([-1 / 3 + change], **CLOSE)
    noised = arms_of(averaging, NAMES, technique, components=[place], corruption="other", direction="noise")
    assert numbers_in(noised, EDITED) == pytest.approx([1 / 3 - change], **CLOSE)


@pytest.mark.parametrize(
    ("technique", "place", "found"),
    [
        ("activation_patching", "0.0.q", 1.0),  # the clean query looks at token 0 instead of 1: all is recovered
        ("attribution_patching", "0.0.q", -1.0),  # no gradient passes the saturated softmax: nothing
        ("activation_patching", "0.0", 1.0),
        ("attribution_patching", "0.0", 1.0),  # behind the softmax the model is linear again
    ],
)
def test_a_saturated_softmax_passes_no_gradient_on(decided: Loaded, technique: str, place: str, found: float) -> None:
    run = arms_of(decided, ASKED, technique, components=[place], corruption="other")
    assert numbers_in(run, CORRUPTED) == pytest.approx([-1.0], **CLOSE)
    assert numbers_in(run, EDITED) == pytest.approx([found], **CLOSE)


@pytest.mark.parametrize("direction", ["denoise", "noise"])
@pytest.mark.parametrize(
    "components",
    [
        ["1.2"],
        ["0.1@MIDDLE", "1.2"],
        ["1.0.q", "1.1.k", "1.2.v", "1.3.k"],
        ["attn.1", "mlp.0@MIDDLE"],
        ["mlp.1.5"],
        ["resid.1@END-1", "resid.3"],
        ["embed", "2.0.q@END", "3.1"],
    ],
)
def test_one_walk_back_and_a_whole_run_for_each_agree(
    random_model: Loaded, direction: str, components: list[str]
) -> None:
    stated = {"components": components, "direction": direction}
    fast, slow = (attributed(random_model, how, **stated) for how in ("replay", "oracle"))
    assert numbers_in(fast, EDITED) != pytest.approx(numbers_in(fast, (fast_base(direction), 0)), abs=1e-3)
    for key in fast.values:
        assert numbers_in(fast, key) == pytest.approx(numbers_in(slow, key), abs=2e-5), key


def fast_base(direction: str) -> str:
    return "corrupted" if direction == "denoise" else "clean"


@pytest.mark.parametrize("metric", ["logit", "prob", "logprob", "loss", "kl"])
def test_every_metric_with_a_gradient_can_be_estimated(random_model: Loaded, metric: str) -> None:
    spec = {"components": ["1.2", "mlp.2"], "metric": metric, "report": "change"}
    fast, slow = (attributed(random_model, how, **spec) for how in ("replay", "oracle"))
    found, truth = (numbers_in(run, EDITED, metric) for run in (fast, slow))
    assert found == pytest.approx(truth, abs=2e-5)
    assert found != pytest.approx(numbers_in(fast, CORRUPTED, metric), abs=1e-3)


def test_a_group_is_the_sum_of_its_members(random_model: Loaded) -> None:
    base, *found = (
        numbers_in(attributed(random_model, components=some), key)
        for some, key in [(["1.2"], CORRUPTED), (["1.2", "2.1"], EDITED), (["1.2"], EDITED), (["2.1"], EDITED)]
    )
    together, one, other = (torch.tensor(numbers) - torch.tensor(base) for numbers in found)
    assert together.tolist() == pytest.approx((one + other).tolist(), **CLOSE)


def test_any_number_of_arms_costs_one_walk_back(random_model: Loaded) -> None:
    """132 arms are asked for in two portions; the runs beside are those of one arm, for each of the two."""
    everywhere = ["mlp.*", "*.*", "*.*@MIDDLE", *(f"*.*@END-{back}" for back in range(1, 6)), "*.*@END"]
    assert walks_back(random_model, ["1.2"]) == 1
    assert walks_back(random_model, everywhere) == 1


def walks_back(loaded: Loaded, components: list[str]) -> int:
    """How often layer 0 was run with gradients."""
    seen: list[bool] = []
    hook = loaded.layer(0).register_forward_hook(lambda _, __, output: seen.append(_first(output).requires_grad))
    attributed(loaded, components=components, over="each")
    hook.remove()
    return sum(seen)


def _first(output: Tensor | tuple[Tensor, ...]) -> Tensor:
    return output[0] if isinstance(output, tuple) else output


@pytest.mark.parametrize("family", ["falcon/7b", "falcon/40b", "opt", "gemma2", "gptj"])
def test_families_that_add_in_place_join_prompts_or_norm_what_they_write(family: str, tmp_path: Path) -> None:
    loaded = load_folder(write_checkpoint(tmp_path, MADE[family]()), DEVICE)
    places = ["1.2", "1.1.q", "1.3.k", "0.3.v", "attn.0", "mlp.1", "mlp.1.3", "resid.1"]
    fast, slow = (attributed(loaded, how, components=places, over="each") for how in ("replay", "oracle"))
    for key in fast.values:
        assert numbers_in(fast, key) == pytest.approx(numbers_in(slow, key), abs=5e-5), key


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"corruption": None}, "name a corruption|needs a second run"),
        ({"report": "kept"}, "belongs to ablation"),
        ({"given": [{"components": ["0.1"]}]}, "remove given"),
        ({"components": ["1.2.pattern"]}, "has no attribution"),
        ({"components": ["logits"]}, "has no attribution"),
        ({"contrast": ["1.2[END>IO]"]}, "has no attribution"),
        ({"metric": "accuracy"}, "no useful gradient; take one of logit_diff"),
        ({"metric": "rank"}, "no useful gradient"),
        ({"metric": "kl", "direction": "noise"}, "its gradient 0, at the clean run"),
    ],
)
def test_what_cannot_be_attributed_is_refused(fields: dict, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        Spec.from_json({"metric": "logit_diff", "components": ["1.2"], "corruption": "abc", **fields})


def test_many_arms_share_the_runs_that_one_needs() -> None:
    spec = {"metric": "logit_diff", "components": ["1.2", "1.3"], "corruption": "abc"}
    assert passes(Spec.from_json(spec)) == 4
    assert passes(Spec.from_json({**spec, "over": "each"})) == 2


def test_the_sentence_says_that_it_is_an_estimate() -> None:
    spec = {"metric": "logit_diff", "components": ["1.2@END"], "corruption": "abc"}
    assert sentence(Spec.from_json(spec)) == (
        "estimating from gradients what values of 1.2@END on clean prompts would do in the run on abc-corrupted ones"
    )
    assert sentence(Spec.from_json({**spec, "direction": "noise", "contrast": ["1.3@END"]})) == (
        "estimating from gradients what values of 1.2@END on abc-corrupted prompts would do in the clean run, "
        "compared with 1.3@END instead"
    )
