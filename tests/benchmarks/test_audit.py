"""The audit of `benchmarks.chaos` finds what is planted: without that, its zeros would say nothing."""

from benchmarks.chaos.audit import Claimed, Ended, doubled, lost
from benchmarks.chaos.changes import Change

ASKED = Change(1, "sha256:a", 0, "", "queued", 0, 0, False, "web")
CLAIMED = Change(1, "sha256:a", 0, "queued", "running", 0, 1, False, "first")
FINISHED = Change(1, "sha256:a", 0, "running", "finished", 1, 1, True, "first")
GIVEN_BACK = Change(1, "sha256:a", 0, "running", "queued", 1, 1, False, "sweep")
CLAIMED_AGAIN = Change(1, "sha256:a", 0, "queued", "running", 1, 2, False, "second")
FINISHED_AGAIN = Change(1, "sha256:a", 0, "running", "finished", 2, 2, True, "second")
HOLDS = ("holds", "{}", "verified")
NO_VERDICT = ("", "", "checking")
CLAIM = Claimed("finding/claim", "sha256:a", (0, 1), HOLDS, HOLDS)
BOTH = [Ended("sha256:a", 0, "finished", ""), Ended("sha256:a", 1, "finished", "")]


def by(change: Change, **others: object) -> Change:
    return Change(**{**vars(change), **others})


def test_a_run_that_was_taken_back_and_made_by_another_is_not_doubled():
    assert doubled([ASKED, CLAIMED, GIVEN_BACK, CLAIMED_AGAIN, FINISHED_AGAIN]) == []


def test_a_run_that_finishes_twice_is_doubled():
    assert doubled([ASKED, CLAIMED, FINISHED, by(FINISHED, before="finished")]) == [
        "run 1 was changed after it had finished"
    ]


def test_a_draw_that_finishes_in_two_rows_is_doubled():
    other = [by(change, run=2) for change in (ASKED, CLAIMED, FINISHED)]
    assert doubled([ASKED, CLAIMED, FINISHED, *other]) == ["draw 0 of sha256:a finished 2 times"]


def test_numbers_of_one_who_lost_the_run_are_doubled():
    zombie = by(FINISHED_AGAIN, writer="first")
    assert doubled([ASKED, CLAIMED, GIVEN_BACK, CLAIMED_AGAIN, zombie]) == [
        "run 1 was claimed by second and finished by first"
    ]


def test_numbers_written_to_a_run_that_nobody_holds_are_doubled():
    assert doubled([ASKED, CLAIMED, GIVEN_BACK, by(FINISHED, before="queued")]) == [
        "run 1 finished without the fence it was claimed with (1, claimed with 1)"
    ]
    assert doubled([ASKED, by(ASKED, before="queued", numbers=True)]) == ["run 1 got numbers while queued"]


def test_a_claim_of_a_run_that_is_held_or_without_a_new_fence_is_doubled():
    assert doubled([ASKED, CLAIMED, by(CLAIMED_AGAIN, before="running")]) == [
        "run 1 was claimed while running, with the fence 2 after 1"
    ]
    assert doubled([ASKED, by(CLAIMED, fence=0)]) == ["run 1 was claimed while queued, with the fence 0 after 0"]


def test_a_change_that_the_database_did_not_see_before_is_doubled():
    assert doubled([ASKED, FINISHED_AGAIN]) == ["run 1 was running when it had been seen queued"]


def test_runs_that_ended_with_a_reason_are_not_lost():
    errored = [BOTH[0], Ended("sha256:a", 1, "errored", "given up after 3 attempts")]
    assert lost(BOTH, [CLAIM], [ASKED], published=1) == []
    assert lost(errored, [CLAIM], [ASKED], published=1) == []


def test_a_draw_that_never_ended_or_was_never_asked_for_is_lost():
    waits = [BOTH[0], Ended("sha256:a", 1, "queued", "")]
    assert lost(waits, [CLAIM], [], published=1) == ["draw 1 of finding/claim: still queued"]
    assert lost(BOTH[:1], [CLAIM], [], published=1) == ["draw 1 of finding/claim: still not asked for"]


def test_a_run_that_ended_without_a_reason_is_lost():
    silent = [BOTH[0], Ended("sha256:a", 1, "refused", " ")]
    assert lost(silent, [CLAIM], [], published=1) == ["draw 1 of sha256:a refused without a reason"]


def test_a_row_that_is_deleted_and_a_publication_that_is_gone_are_lost():
    assert lost(BOTH, [CLAIM], [by(ASKED, before="queued", after="")], published=1) == ["run 1 was deleted"]
    assert lost(BOTH, [CLAIM], [], published=3) == ["2 claims that were published are gone"]


def test_a_claim_whose_verdict_is_missing_or_stale_is_lost():
    def shown(verdict: tuple[str, ...], recomputed: tuple[str, ...]) -> list[str]:
        return lost(BOTH, [Claimed("finding/claim", "sha256:a", (0, 1), verdict, recomputed)], [], published=1)

    assert shown(NO_VERDICT, NO_VERDICT) == ["finding/claim has no verdict though its runs have ended"]
    assert shown(NO_VERDICT, HOLDS) == ["finding/claim shows nothing and checking, its runs say holds and verified"]
    assert shown(("holds", "{}", "checking"), HOLDS) == [
        "finding/claim shows holds and checking, its runs say holds and verified"
    ]
