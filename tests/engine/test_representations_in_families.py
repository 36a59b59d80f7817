"""Readings and directions on every family: post-norms, scaled residual streams, soft-capped and scaled logits."""

from __future__ import annotations

import pytest
import torch

from tests.engine.conftest import DEVICE, write_checkpoint
from tests.engine.made_bundles import PAIRS, a_measurement, arms_of, numbers_in, stated_prompts
from tests.engine.made_families import MADE
from workers.engine.anatomy import Loaded
from workers.engine.loading import load_folder
from workers.engine.measuring import job
from workers.engine.prompts import Refused

EDITED, CLEAN, CORRUPTED = ("edited", 0), ("clean", 0), ("corrupted", 0)
SUMMED_THEN_NORMED = {"opt/350m", "opt/post-norm"}  # no part of the stream reaches the logits by itself
POST_NORMED = {"gemma2", "gemma3_text", "olmo2"}


@pytest.fixture(scope="module", params=MADE)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def loaded(name: str, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return load_folder(write_checkpoint(tmp_path_factory.mktemp("family") / "model", MADE[name]()), DEVICE)


def logits_before_caps(loaded: Loaded) -> list[float]:
    """The mean logit of each prompt's right answers as the unembedding gives it, from a plain run."""
    found, seen = [], list[torch.Tensor]()
    hook = loaded.final_norm().register_forward_hook(lambda _, __, output: seen.append(output))
    for prompt in stated_prompts(job(a_measurement(loaded, PAIRS, "behavior"), 0, loaded)):
        loaded.model(input_ids=torch.tensor([prompt.tokens], device=loaded.device), use_cache=False)
        weight, bias = loaded.architecture.unembedding(loaded.model)
        logits = torch.nn.functional.linear(seen[-1][0, -1], weight, bias)
        found.append(float(logits[list(prompt.answers[0].right)].mean()))
    hook.remove()
    return found


def test_all_that_is_written_and_the_constants_sum_to_the_logit_before_caps(loaded: Loaded, name: str) -> None:
    every = {"metric": "logit", "components": ["embed", "attn.*", "mlp.*", "logits"]}
    if name in SUMMED_THEN_NORMED:
        with pytest.raises(Refused, match="nothing is written directly"):
            arms_of(loaded, PAIRS, "direct_logit_attribution", **every)
        return
    found = numbers_in(arms_of(loaded, PAIRS, "direct_logit_attribution", **every), EDITED, "logit")
    wanted = logits_before_caps(loaded)
    assert found == pytest.approx(wanted, abs=1e-5 * max(1.0, *map(abs, wanted)))


def test_taking_writes_off_a_plain_run_gives_the_same_shares(loaded: Loaded, name: str) -> None:
    if name in SUMMED_THEN_NORMED:
        pytest.skip("no part reaches the logits by itself")
    stated = {"components": ["0.1", "2.2", "mlp.1.5", "attn.1", "mlp.2", "resid.1"], "over": "each"}
    fast, slow = (arms_of(loaded, PAIRS, "direct_logit_attribution", how, **stated) for how in ("replay", "oracle"))
    for arm in range(6):
        wanted = numbers_in(slow, ("edited", arm))
        assert numbers_in(fast, ("edited", arm)) == pytest.approx(wanted, abs=1e-4 * max(1.0, *map(abs, wanted)))


def test_the_lens_gives_what_the_models_own_end_makes_of_the_stream(loaded: Loaded) -> None:
    stated = {"metric": "logprob", "components": ["resid.*", "resid.3"]}
    fast, slow = (arms_of(loaded, PAIRS, "logit_lens", how, **stated) for how in ("replay", "oracle"))
    for arm in range(4):
        wanted = numbers_in(slow, ("edited", arm), "logprob")
        assert numbers_in(fast, ("edited", arm), "logprob") == pytest.approx(wanted, abs=1e-4)


def test_noise_and_directions_are_written_as_plain_hooks_write_them(loaded: Loaded) -> None:
    fit = {"at": "resid.1@MIDDLE", "corruption": "other"}
    noise = {"noised": ["embed@MIDDLE"], "draws": 1}
    for technique, stated in (
        ("direction", {"components": ["embed", "attn.*", "mlp.*"], **fit}),
        ("steering", {"components": ["resid.2@END"], "coefficient": 2, "run_on": "corrupted", **fit}),
        ("causal_tracing", {"components": ["resid.2@END", "mlp.1"], **noise}),
    ):
        fast, slow = (arms_of(loaded, PAIRS, technique, how, **stated) for how in ("replay", "oracle"))
        for key in (EDITED, CORRUPTED):
            wanted = numbers_in(slow, key)
            assert numbers_in(fast, key) == pytest.approx(wanted, abs=1e-4 * max(1.0, *map(abs, wanted)))


def test_heads_behind_a_norm_sum_to_no_function_vector(loaded: Loaded, name: str) -> None:
    stated = {"components": ["1.2@END"], "into": "resid.2@END"}
    if name in POST_NORMED | SUMMED_THEN_NORMED:
        with pytest.raises(Refused, match="is no sum; patch them"):
            arms_of(loaded, PAIRS, "function_vector", **stated)
        return
    run = arms_of(loaded, PAIRS, "function_vector", **stated)
    assert numbers_in(run, EDITED) != pytest.approx(numbers_in(run, CLEAN), abs=1e-5)
