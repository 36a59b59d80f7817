"""Circuit reuse: ablation of another behavior's circuit, on this one's prompts."""

from __future__ import annotations

import pytest

from tests.engine.made_bundles import PAIRS, arms_of, numbers_in
from workers.engine.anatomy import Loaded
from workers.engine.documents.document import Invalid
from workers.engine.techniques.circuit_reuse import Spec, sentence

EDITED, FLOOR, CLEAN = ("edited", 0), ("floor", 0), ("clean", 0)
OF = {"behavior": "induction"}


def reused(loaded: Loaded, how: str = "replay", **spec):
    return arms_of(loaded, PAIRS, "circuit_reuse", how, **{"components": ["0.1", "2.0"], "circuit_of": OF, **spec})


@pytest.mark.parametrize("action", ["keep_only", "knock_out"])
@pytest.mark.parametrize("report", ["kept", "change"])
def test_it_is_the_ablation_of_the_same_components(random_model: Loaded, action: str, report: str) -> None:
    run = reused(random_model, action=action, report=report)
    ablated = arms_of(random_model, PAIRS, "ablation", components=["0.1", "2.0"], action=action, report=report)
    assert run.values.keys() == ablated.values.keys()
    for key in run.values:
        assert numbers_in(run, key) == numbers_in(ablated, key)


def test_replay_and_plain_hooks_agree_and_a_null_edit_changes_nothing(random_model: Loaded) -> None:
    fast, slow, null = (reused(random_model, how) for how in ("replay", "oracle", "null"))
    for key in fast.values:
        assert numbers_in(fast, key) == pytest.approx(numbers_in(slow, key), abs=1e-4), key
    assert numbers_in(null, EDITED) == pytest.approx(numbers_in(null, CLEAN), abs=2e-5)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"circuit_of": None}, "circuit_of"),
        ({"prompts": {"behavior": "ioi", "revision": "sha256:" + "0" * 64}}, "this finding's own prompts"),
        ({"report": "recovered", "corruption": "abc"}, "belongs to patching"),
        ({"components": ["attn.1"]}, "cannot be kept"),
    ],
)
def test_what_is_no_reuse_is_refused(fields: dict, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        Spec.from_json({"metric": "logit_diff", "components": ["0.1"], "circuit_of": OF, **fields})


def test_the_sentence_says_whose_circuit_it_is() -> None:
    spec = {"metric": "logit_diff", "components": ["0.1", "2.0"], "circuit_of": OF}
    assert sentence(Spec.from_json(spec)) == (
        "keeping only 0.1 and 2.0, stated as the circuit of induction, and replacing all other heads by the mean "
        "over other prompts"
    )
    assert sentence(Spec.from_json({**spec, "action": "knock_out"})) == (
        "replacing 0.1 and 2.0, stated as the circuit of induction, by the mean over other prompts"
    )
