"""Ways in which stored evidence could have been gamed by editing a finding. Each went through once."""

import pytest

from tests.wiki.documents import DOES, KNOCK_OUT, finding, publish
from tests.wiki.work import work_off
from wiki.models import Run, Withdrawal

pytestmark = pytest.mark.usefixtures("neighbors")

ESSENTIAL = {**DOES, "essential": True, "expect": {"at_least": 1.5}}


def test_a_failed_claim_that_is_no_longer_called_essential_is_counted_as_withdrawn():
    publish(None, KNOCK_OUT, ESSENTIAL)
    work_off()
    assert finding().badge == "refuted"
    publish(None, KNOCK_OUT, {**ESSENTIAL, "essential": False})
    assert finding().badge == "partly_verified"
    assert [withdrawn.claim for withdrawn in Withdrawal.objects.all()] == ["does"]
    assert "withdrawn after failing: 1" in finding().badge_detail


def test_a_failed_claim_that_stays_essential_is_not_withdrawn():
    publish(None, KNOCK_OUT, ESSENTIAL)
    work_off()
    publish(None, KNOCK_OUT, {**ESSENTIAL, "id": "renamed", "statement": "Other words."})
    assert (finding().badge, Withdrawal.objects.count()) == ("refuted", 0)


def test_a_control_is_not_rolled_anew_by_editing_the_circuit():
    """Another node is another control, for it may be in no random set; but on the same prompts, from the same seed."""
    publish(None, KNOCK_OUT)
    publish(None, KNOCK_OUT, circuit={"nodes": [{"component": "1.0"}, {"component": "mlp.0"}], "edges": []})
    controls = Run.objects.filter(measurement__control_of__isnull=False)
    assert len({run.measurement_id for run in controls}) == 2
    assert len({run.seed for run in controls}) == 1
