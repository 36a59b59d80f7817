"""A worker and a database that is away: it waits, tries again, and loses neither its run nor its temper."""

import pytest
from django.db import OperationalError

from tests.wiki import documents
from tests.wiki.documents import DOES, publish
from tests.wiki.work import worker
from wiki import actions
from wiki.models import Run
from workers import outlasting
from workers.outlasting import outlast, unless_away

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    monkeypatch.setattr(outlasting, "PAUSES", (0.01,))


class Away:
    """Answers after it was asked so often in vain."""

    def __init__(self, times: int) -> None:
        self.asked, self.times = 0, times

    def __call__(self) -> str:
        self.asked += 1
        if self.asked <= self.times:
            raise OperationalError("the database system is starting up\nand will be there soon")
        return "here"


def test_what_is_asked_is_asked_again_until_the_database_is_back(caplog):
    away = Away(3)
    assert outlast(away, lambda: False) == "here"
    assert away.asked == 4
    assert "the database is away (the database system is starting up); trying again" in caplog.text


def test_a_worker_that_is_asked_to_stop_does_not_wait_for_it():
    away = Away(100)
    with pytest.raises(OperationalError):
        outlast(away, lambda: away.asked == 2)
    assert away.asked == 2


def test_it_is_given_up_after_a_while(monkeypatch):
    monkeypatch.setattr(outlasting, "PATIENCE", 0.05)
    with pytest.raises(OperationalError):
        outlast(Away(10_000), lambda: False)


def test_other_errors_are_not_waited_out():
    with pytest.raises(ZeroDivisionError):
        outlast(lambda: 1 // 0, lambda: False)


def test_a_run_goes_on_while_nobody_can_say_whether_it_is_still_wanted():
    assert unless_away(Away(1)) is True
    assert unless_away(lambda: False) is False


def test_a_result_whose_commit_was_not_confirmed_is_written_once():
    """The first attempt commits, and its confirmation is lost on the way; the second finds nothing left to do."""
    documents.neighbors()
    publish(None, DOES)
    run = actions.claim_run(worker())
    answers = []

    def record() -> bool:
        answers.append(actions.record_numbers(run, documents.measured(run)))
        if len(answers) == 1:
            raise OperationalError("server closed the connection unexpectedly")
        return answers[-1]

    assert outlast(record, lambda: False) is False
    assert answers == [True, False]
    assert Run.objects.get(pk=run.pk).state == "finished"
