"""The second run of the tests: on servers of its own; without them, counted at home and failed under CI=true."""

import pytest

from tests.on_servers import main, without
from tests.programs import Program

from .tree import plant

NONESUCH = Program(marker="nonesuch", commands=("nonesuch",), package="nonesuch")
THREE_TESTS = """
import os, psycopg, redis
def test_the_database_is_there():
    assert psycopg.connect(os.environ["DATABASE_URL"]).info.dbname == "interpedia"
def test_the_broker_is_there():
    assert redis.Redis.from_url(os.environ["REDIS_URL"]).ping()
def test_that_fails():
    assert False
"""


@pytest.fixture
def concerned(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.on_servers.CONCERNED", (str(tmp_path / plant(tmp_path, "test_three.py", THREE_TESTS)),))
    monkeypatch.delenv("CI", raising=False)


@pytest.mark.postgresql
@pytest.mark.redis
def test_the_tests_find_both_servers_and_their_status_is_handed_on(concerned, capfd):
    assert main(["-n", "0"]) == pytest.ExitCode.TESTS_FAILED
    assert "= 1 failed, 2 passed in" in capfd.readouterr().out


def test_without_a_program_one_line_names_it_and_counts_what_is_skipped(concerned, capfd):
    assert without([NONESUCH]) == 0
    assert capfd.readouterr().out == "Not installed: nonesuch. Skipped on PostgreSQL and Redis: 3 tests.\n"


def test_without_a_program_continuous_integration_fails(concerned, capfd, monkeypatch):
    monkeypatch.setenv("CI", "true")
    assert without([NONESUCH]) == 1
    assert capfd.readouterr().err.startswith("Not installed: nonesuch, and with CI=true nothing is skipped")
