"""Documents: strict, every error at once, one canonical text."""

from __future__ import annotations

from typing import Annotated, Any

import pytest

from workers.engine.documents.document import Document, Invalid, Later
from workers.engine.documents.expect import AtLeast, Between, Top, Value, bounds
from workers.engine.documents.finding import Claim, Finding
from workers.engine.documents.model import Dimensions
from workers.engine.documents.places import components_of
from workers.engine.documents.spec import Spec

PIN = {"slug": "x", "revision": "sha256:" + "0" * 64}
DIMENSIONS = Dimensions(
    layers=2, heads=3, key_value_heads=3, d_model=12, d_head=4, d_mlp=8, vocabulary=10, positions=16
)


def finding(**changes: Any) -> Finding:
    return Finding.from_json({"slug": "a", "title": "A", "behavior": PIN, "model": PIN, **changes})


def claim(**changes: Any) -> dict[str, Any]:
    spec = {"metric": "logit_diff", "components": ["0.1"]}
    return {"id": "c", "technique": "ablation", "spec": spec, "expect": {"at_most": 1}, **changes}


def problems(**changes: Any) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        finding(**changes)
    return {problem.path: problem.message for problem in caught.value.problems}


def test_defaults_are_written_out_and_the_text_reads_back() -> None:
    written = finding(claims=[claim()])
    assert '"essential":false' in written.text and '"statistic":"mean"' in written.text
    assert Finding.read(written.text) == written and Finding.read(written.text).sha256 == written.sha256


def test_every_error_is_told_at_once_with_its_path() -> None:
    found = problems(title="", zzz=1, claims=[claim(technique="ablaton"), claim(spec={"metric": "logit_dif"})])
    assert {"title", "zzz", "claims.0.technique", "claims.1.spec.metric", "claims.1.spec.components"} <= set(found)
    assert "did you mean 'ablation'" in found["claims.0.technique"]
    assert "did you mean 'logit_diff'" in found["claims.1.spec.metric"]


def test_a_number_in_quotes_is_no_number() -> None:
    assert "claims.0.expect.at_least" in problems(claims=[claim(expect={"at_least": "0.5"})])


def test_a_claim_expects_one_thing() -> None:
    assert "exactly one" in problems(claims=[claim(expect={"at_least": 1, "at_most": 2})])["claims.0.expect"]


def test_ids_groups_references_and_roles_must_hang_together() -> None:
    found = problems(
        circuit={"nodes": [{"component": "0.1", "role": "induction"}]},
        claims=[
            claim(spec={"metric": "logit_diff", "components": ["#movers"]}),
            claim(origin={"reference": "wang2022", "level": "memory"}),
        ],
    )
    assert "no such group" in found["claims.0.spec.components"]
    assert "stands twice" in found["claims.1.id"]
    assert "not under references" in found["claims.1.origin.reference"]
    assert "pin the revision" in found["circuit.nodes.0.role"]


def test_a_claim_in_words_has_no_spec_and_needs_its_words() -> None:
    assert Claim.from_json({"id": "c", "statement": "Heads are nice."}).runnable is False
    assert "needs a statement" in problems(claims=[{"id": "c"}])["claims.0"]
    assert "need a technique" in problems(claims=[{"id": "c", "statement": "x", "expect": {"at_least": 1}}])["claims.0"]


def test_a_ratio_of_means_is_never_a_mean_of_ratios() -> None:
    assert Spec.from_json({"metric": "logit_diff", "report": "kept"}).statistic == "ratio_of_means"
    with pytest.raises(Invalid, match="ratios of means"):
        Spec.from_json({"metric": "logit_diff", "report": "kept", "statistic": "mean"})


def test_recovered_needs_a_corruption() -> None:
    with pytest.raises(Invalid, match="name a corruption"):
        Spec.from_json({"metric": "logit_diff", "report": "recovered"})


def test_sets_are_sorted_in_the_text_and_lists_are_not() -> None:
    top = Top(top=("1.1", "0.2", "1.1"), of=6)
    assert top.values()["top"] == ["0.2", "1.1"]
    ordered = finding(claims=[claim(id="b"), claim(id="a")])
    assert [item["id"] for item in ordered.values()["claims"]] == ["b", "a"]


def test_bounds_of_expectations() -> None:
    assert bounds(Value(value=1.0, tolerance=0.25)) == (0.75, 1.25)
    assert bounds(AtLeast(at_least=2.0)) == (2.0, float("inf"))
    assert bounds(Between(between=(0.0, 1.0))) == (0.0, 1.0)


def test_groups_and_wildcards_are_written_out() -> None:
    groups = {"movers": ("1.2", "0.1")}
    assert [str(c) for c in components_of(["#movers@END", "0.1@END"], groups, DIMENSIONS)] == ["0.1@END", "1.2@END"]
    assert [str(c) for c in components_of(["1.*"], groups, DIMENSIONS)] == ["1.0", "1.1", "1.2"]
    assert len(components_of(["*.*"], groups, DIMENSIONS)) == 6
    assert [str(c) for c in components_of(["mlp.*"], groups, DIMENSIONS)] == ["mlp.0", "mlp.1"]


def test_a_later_field_is_written_only_where_it_is_used() -> None:
    """What was pinned before the field existed keeps its hash."""

    class Plain(Document):
        name: str = "one"

    class WithLater(Document):
        name: str = "one"
        dtype: Annotated[str, Later()] = "float32"

    assert WithLater().text == Plain().text and WithLater().sha256 == Plain().sha256
    assert WithLater(dtype="bfloat16").values() == {"name": "one", "dtype": "bfloat16"}
    assert WithLater.read(WithLater(dtype="bfloat16").text).dtype == "bfloat16"
