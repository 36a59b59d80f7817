"""Publishing, reverting, conflicts: every change of an entry is a new revision."""

import json

import pytest
from django.core.exceptions import PermissionDenied

from tests.wiki import documents
from tests.wiki.documents import DOES, IN_WORDS, KNOCK_OUT, finding, publish
from wiki import actions
from wiki.models import Claim, Entry, Finding, Revision, Run, Withdrawal
from workers.engine.documents.document import Invalid

pytestmark = pytest.mark.usefixtures("neighbors")


def test_publishing_a_finding_makes_its_rows_and_queues_two_draws_and_a_control(ada):
    revision = publish(ada, DOES, KNOCK_OUT, IN_WORDS)
    assert (revision.number, revision.parent, revision.author) == (1, None, ada)
    shown = finding()
    assert (shown.title, shown.badge, shown.entry.title) == ("Copying in Small", "checking", "Copying in Small")
    assert [claim.slug for claim in shown.claims.all()] == ["does", "knock-out", "in-words"]
    assert [
        (run.measurement.technique, run.measurement.is_control, run.draw) for run in Run.objects.order_by("id")
    ] == [
        ("behavior", False, 0),
        ("behavior", False, 1),
        ("ablation", False, 0),
        ("ablation", False, 1),
        ("ablation", True, 0),
        ("ablation", False, 0),
        ("ablation", False, 0),
    ]
    last = [run.measurement for run in Run.objects.waiting()][-2:]
    assert {json.loads(measurement.text)["spec"]["ablation"] for measurement in last} == {"zero", "resample"}


def test_the_public_draw_has_no_seed_and_fresh_draws_and_controls_have_their_own(ada):
    publish(ada, KNOCK_OUT)
    seeds = [run.seed for run in Run.objects.order_by("id")]
    assert [len(seed) for seed in seeds] == [0, 64, 64, 0, 0]
    assert len(set(seeds)) == 3


def test_the_same_content_again_makes_no_revision(ada):
    first = publish(ada, DOES)
    assert publish(ada, DOES) == first
    assert Revision.objects.filter(entry=first.entry).count() == 1


def test_an_edit_of_the_prose_queues_nothing_and_keeps_the_claims_rows(ada):
    publish(ada, DOES)
    before = set(Claim.objects.values_list("pk", flat=True))
    second = publish(ada, DOES, title="Another title")
    assert (second.number, second.parent.number) == (2, 1)
    assert Run.objects.count() == 2
    assert set(Claim.objects.values_list("pk", flat=True)) == before
    assert Finding.objects.get().title == "Another title"


def test_two_findings_that_ask_for_the_same_number_share_its_runs(ada):
    publish(ada, DOES)
    publish(ada, DOES, slug="copying-again")
    assert Run.objects.count() == 2


def test_reverting_makes_a_new_revision_with_the_old_content(ada):
    first = publish(ada, DOES)
    publish(ada, DOES, title="Another title")
    third = actions.revert(first, ada)
    assert (third.number, third.sha256, third.summary) == (3, first.sha256, "Back to revision 1")
    assert Finding.objects.get().title == "Copying in Small"


def test_an_edit_of_an_overtaken_revision_is_a_conflict_with_both_versions(ada):
    first = publish(ada, DOES)
    second = publish(ada, DOES, title="Hers")
    with pytest.raises(actions.Conflict) as conflict:
        actions.publish("finding", documents.document(DOES, title="Mine"), ada, "", first.sha256)
    assert conflict.value.current == second
    assert conflict.value.sent["title"] == "Mine"
    assert Revision.objects.filter(entry=first.entry).count() == 2
    assert actions.publish("finding", documents.document(title="Mine"), ada, "", second.sha256).number == 3


def test_an_invalid_document_is_refused_with_every_problem_and_leaves_nothing(ada):
    wrong = documents.document({**KNOCK_OUT, "spec": {"metric": "accurracy", "components": ["1.0"]}}, title="")
    with pytest.raises(Invalid) as refused:
        actions.publish("finding", wrong, ada)
    assert {problem.path for problem in refused.value.problems} >= {"title", "claims.0.spec.metric"}
    assert not Entry.objects.filter(kind="finding").exists()


def test_what_its_neighbors_show_to_be_wrong_is_refused_too(ada):
    nowhere = documents.document(DOES, model={"slug": "small", "revision": "sha256:" + "0" * 64})
    with pytest.raises(Invalid, match="its newest is sha256:"):
        actions.publish("finding", nowhere, ada)
    beyond = documents.document(circuit={"nodes": [{"component": "7.0"}]})
    with pytest.raises(Invalid, match="the model has 2 layers"):
        actions.publish("finding", beyond, ada)


def test_an_unknown_kind_is_refused(ada):
    with pytest.raises(Invalid, match="is not a kind of entry"):
        actions.publish("poem", {"slug": "x"}, ada)


def test_models_are_registered_by_stewards_only(people):
    with pytest.raises(PermissionDenied):
        actions.publish("model", {**documents.MODEL, "slug": "other"}, people.ada)
    assert actions.publish("model", {**documents.MODEL, "slug": "other"}, people.bo).number == 1


def test_somebody_deactivated_edits_nothing(people):
    actions.deactivate(people.ada)
    people.ada.refresh_from_db()
    with pytest.raises(PermissionDenied):
        publish(people.ada, DOES)


def test_a_failing_claim_that_is_removed_or_restated_stays_listed_once():
    from tests.wiki.work import work_off

    first = publish(None, DOES)
    work_off(right=5)
    assert finding().claims.get().outcome == "fails"
    publish(None, {**DOES, "expect": {"at_most": 0.5}})
    publish(None, DOES)
    publish(None, {**DOES, "id": "renamed"})
    assert Withdrawal.objects.count() == 1
    publish(None)
    (withdrawn,) = Withdrawal.objects.all()
    assert (withdrawn.claim, withdrawn.entry) == ("does", first.entry)
    assert '"outcome":"fails"' in withdrawn.verdict
    assert any("withdrawn after failing: 1" in note for note in _notes())


def test_new_words_for_a_measured_claim_are_marked_until_the_old_ones_are_back():
    from tests.wiki.work import work_off

    publish(None, {**DOES, "statement": "It can."})
    publish(None, {**DOES, "statement": "It can, before anybody looked."})
    assert not finding().claims.get().reworded
    work_off()
    publish(None, {**DOES, "statement": "It cannot."})
    assert finding().claims.get().reworded
    assert "wording not reviewed since measured" in _notes()
    publish(None, {**DOES, "statement": "It can, before anybody looked."})
    assert not finding().claims.get().reworded


def _notes() -> list[str]:
    import json

    return json.loads(finding().badge_detail)["notes"]
