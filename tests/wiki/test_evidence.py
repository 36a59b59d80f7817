"""From runs to verdicts and badges: when a claim is judged, on which draws, and what that makes of its finding."""

import json

import pytest
from django.core.exceptions import ImproperlyConfigured

from tests.settings import EVIDENCE_SECRET as SECRET
from tests.wiki import documents
from tests.wiki.documents import DOES, KNOCK_OUT, finding, publish
from tests.wiki.work import work_off, worker
from wiki import actions, bundles, evidence
from wiki.models import Expectation, Measurement, Run
from wiki.models.run import Priority
from workers.engine.seeds import fresh_seed

pytestmark = pytest.mark.usefixtures("neighbors")

STRICTER = {**DOES, "expect": {"at_least": 0.8}}


def expectation(bound: float) -> Expectation:
    return next(
        claim.expectation
        for claim in finding().claims.runnable().with_evidence()
        if json.loads(claim.expect) == {"at_least": bound}
    )


def verdict(slug: str = "does") -> dict:
    text = finding().claims.get(slug=slug).verdict
    return json.loads(text) if text else {}


def record_next(right: int = 64, spoilt: int = 0) -> Run:
    run = actions.claim_run(worker())
    assert actions.record_numbers(run, documents.measured(run, right, spoilt))
    return run


def test_a_claim_has_no_verdict_until_both_draws_and_the_control_have_ended():
    publish(None, KNOCK_OUT)
    for _ in range(2):
        record_next()
        assert (verdict("knock-out"), finding().badge) == ({}, "checking")
    record_next()
    assert verdict("knock-out")["outcome"] == "holds"
    assert verdict("knock-out")["specific"] == "yes"
    assert finding().badge == "verified"
    assert [node.coverage for node in finding().nodes.all()] == ["covered"]


def test_a_claim_that_fails_fails_without_waiting_for_its_control():
    publish(None, {**KNOCK_OUT, "expect": {"at_most": -1.5}})
    record_next()
    record_next()
    assert verdict("knock-out")["outcome"] == "fails"
    assert finding().badge == "refuted"


def test_a_claim_whose_control_errored_has_errored_however_well_it_did():
    publish(None, KNOCK_OUT)
    record_next()
    record_next()
    actions.record_error(actions.claim_run(worker()), "out of memory: 8 GB")
    assert verdict("knock-out")["outcome"] == "errored"
    assert verdict("knock-out")["reason"] == "its control: out of memory: 8 GB"
    assert finding().badge == "undecided"


def test_a_claim_that_cannot_be_judged_has_errored_and_keeps_no_run_from_its_end():
    publish(None, DOES)
    finding().claims.update(gate="{}")
    work_off()
    assert verdict()["outcome"] == "errored"
    assert verdict()["reason"].startswith("cannot be judged: TypeError: ")
    assert (finding().badge, Run.objects.finished().count()) == ("undecided", 2)


def test_a_run_refreshes_every_finding_that_shares_its_measurement():
    publish(None, DOES)
    publish(None, DOES, slug="copying-again")
    work_off()
    assert {one.claims.get().outcome for one in (finding(), finding("copying-again"))} == {"holds"}


def test_an_expectation_saved_before_any_run_begins_is_judged_on_the_first_two_draws():
    publish(None, DOES)
    publish(None, DOES, {**STRICTER, "id": "stricter"})
    assert (expectation(0.8).first_draw, expectation(0.8).stated_after_measuring) == (0, False)
    assert expectation(0.8).draws == (0, 1)


def test_an_expectation_saved_while_a_run_is_under_way_is_stated_after_measuring():
    publish(None, DOES)
    actions.claim_run(worker())
    publish(None, STRICTER)
    assert (expectation(0.8).first_draw, expectation(0.8).stated_after_measuring) == (1, True)
    assert expectation(0.8).earlier == 1


def test_an_expectation_saved_after_measuring_is_judged_on_two_new_draws_only():
    publish(None, DOES)
    work_off(right=60)
    assert finding().claims.get().outcome == "holds"
    publish(None, STRICTER)
    assert (expectation(0.8).first_draw, expectation(0.8).draws) == (2, (2, 3))
    assert list(Run.objects.waiting().values_list("draw", flat=True)) == [2, 3]
    assert (finding().badge, verdict()) == ("checking", {})
    work_off(right=64)
    assert [draw["draw"] for draw in verdict()["draws"]] == [2, 3]
    assert "stated after measuring: 1 claim, 1 earlier" in json.loads(finding().badge_detail)["notes"]


def test_an_expectation_keeps_the_date_it_was_first_stated_at():
    publish(None, DOES)
    work_off()
    publish(None, STRICTER)
    publish(None, DOES)
    assert (expectation(0.6).first_draw, verdict()["outcome"]) == (0, "holds")


def test_later_draws_only_add_to_what_an_earlier_expectation_is_judged_on():
    publish(None, DOES)
    work_off()
    publish(None, DOES, {**STRICTER, "id": "stricter"})
    work_off()
    assert [draw["draw"] for draw in verdict("does")["draws"]] == [0, 1, 2, 3]
    assert verdict("does")["outcome"] == "holds"


def test_a_control_that_ran_tells_the_number_too():
    publish(None, KNOCK_OUT)
    here = worker()
    draws = [actions.claim_run(here), actions.claim_run(here)]
    record_next()
    for draw in draws:
        actions.put_back(draw)
    publish(None, {**KNOCK_OUT, "expect": {"at_most": -0.5}})
    late = finding().claims.with_evidence().get().expectation
    assert (late.stated_after_measuring, late.first_draw) == (True, 1)


def test_a_run_is_told_everything_that_is_staked_on_it():
    publish(None, DOES)
    publish(None, DOES, {**STRICTER, "id": "stricter"}, slug="copying-again")
    run = Run.objects.select_related("measurement").get(draw=0)
    gate = {"metric": "accuracy", "chance": 0.01, "threshold": 0.5}
    assert evidence.stakes_on(run) == [
        {"expect": {"at_least": 0.6}, "kind": "effect", "gate": gate},
        {"expect": {"at_least": 0.8}, "kind": "effect", "gate": gate},
    ]


def test_prompts_that_cannot_be_drawn_anew_are_one_draw_whenever_the_claim_was_stated():
    for population in ("stated", "enumerated"):
        measurement = Measurement(sha256="sha256:" + "c" * 64, population=population)
        assert Expectation(measurement=measurement, stated_after_measuring=True).draws == (0,)


def test_a_bundle_publishes_the_seeds_of_finished_draws_only():
    publish(None, DOES)
    assert bundles.of_finding(finding()).seeds == {}
    work_off()
    (seeds,) = bundles.of_finding(finding()).seeds.values()
    assert seeds == {"1": Run.objects.get(draw=1).seed}
    bundles.of_finding(finding()).checked()


def test_fresh_seeds_come_from_the_secret(settings):
    publish(None, DOES)
    settings.EVIDENCE_SECRET = "another"
    publish(None, {**DOES, "spec": {"metric": "logit"}}, slug="other")
    (first, second) = Run.objects.filter(draw=1).order_by("id")
    assert first.seed == fresh_seed(SECRET.encode(), first.measurement_id, 1)
    assert second.seed == fresh_seed(b"another", second.measurement_id, 1)


def test_without_the_secret_nothing_is_queued(settings):
    settings.EVIDENCE_SECRET = ""
    with pytest.raises(ImproperlyConfigured, match="no EVIDENCE_SECRET"):
        publish(None, DOES)


def test_a_threshold_moved_after_measuring_is_another_stake_judged_on_new_draws():
    publish(None, DOES)
    work_off(right=40)
    assert verdict()["outcome"] == "undecided"
    lower = {**documents.BEHAVIOR, "threshold": 0.4}
    pin = {"slug": "repeat", "revision": actions.publish("behavior", lower, author=None).sha256}
    publish(None, DOES, behavior=pin)
    staked = finding().claims.get(slug="does").expectation
    assert (staked.stated_after_measuring, staked.first_draw, staked.earlier) == (True, 2, 1)
    assert finding().badge == "checking"


def record_variants(spoilt: int) -> None:
    """The draws of the verdict show a fall of accuracy; the other kinds of ablation leave `spoilt` prompts right."""
    while (run := actions.claim_run(worker())) is not None:
        on_variant = run.priority == Priority.NOTE
        numbers = documents.measured(run, right=40, spoilt=spoilt if on_variant else 0)
        assert actions.record_numbers(run, numbers)


@pytest.mark.parametrize(("spoilt", "depends"), [(64, True), (40, False), (0, False)])
def test_an_effect_that_changes_its_sign_with_the_kind_of_ablation_says_so(spoilt, depends):
    lenient = {**documents.BEHAVIOR, "threshold": 0.2}
    pin = {"slug": "repeat", "revision": actions.publish("behavior", lenient, author=None).sha256}
    publish(None, KNOCK_OUT, behavior=pin)
    record_variants(spoilt)
    assert verdict("knock-out")["outcome"] == "holds"
    assert finding().claims.get().depends_on_ablation is depends
    assert ("depends on ablation" in json.loads(finding().badge_detail)["notes"]) is depends


def test_the_verdict_does_not_wait_for_the_other_kinds_of_ablation():
    publish(None, KNOCK_OUT)
    for _ in range(3):
        record_next()
    assert Run.objects.waiting().count() == 2
    assert finding().badge == "verified"
