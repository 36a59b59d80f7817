"""Real processes: killed in the middle of a run, the run ends decided, once; told to stop, everything stops."""

import os
import signal
import socket
import time

import psutil
import pytest

from tests.workers.site import Site, finding, write_folder

STATES = "SELECT state, COUNT(*) FROM wiki_run GROUP BY state"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    write_folder(folder / "documents", finding("first", 0.5))
    site = Site(folder)
    yield site
    if site.process is not None and site.process.poll() is None:
        site.process.kill()


def is_running(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def running(site: Site) -> list[tuple]:
    return site.rows("SELECT id, fence FROM wiki_run WHERE state = 'running'")


def decided(site: Site, slug: str) -> bool:
    return site.rows(f"SELECT outcome FROM wiki_claim WHERE finding_id IN {_finding(slug)}") == [("holds",)]


def _finding(slug: str) -> str:
    return f"(SELECT entry_id FROM wiki_finding WHERE slug = '{slug}')"


def test_a_worker_killed_in_the_middle_of_a_run_leaves_it_decided_once(site):
    site.start()
    site.wait_for(lambda: running(site))
    worker, engine = site.member("celery"), site.member("workers.engine", "serve")
    worker.kill()
    site.wait_for(lambda: not is_running(engine))
    site.wait_for(lambda: decided(site, "first"))
    assert site.rows(STATES) == [("finished", 2)]
    assert site.rows("SELECT MAX(attempts) FROM wiki_run") == [(2,)]
    assert "The worker ended (signal 9); starting it again" in site.said()
    assert site.member("celery").pid != worker.pid


def test_an_engine_killed_in_the_middle_of_a_run_leaves_it_decided_once(site):
    engine = site.member("workers.engine", "serve")
    engine.suspend()  # so that the run is surely not over when the kill comes
    write_folder(site.data.parent / "documents", finding("second", 0.5))
    loaded = site.manage("load", str(site.data.parent / "documents"))
    assert "1 new" in loaded.stdout, loaded.stderr
    site.wait_for(lambda: running(site))
    engine.kill()
    site.wait_for(lambda: decided(site, "second"))
    assert site.rows(STATES) == [("finished", 4)]


def test_a_second_one_on_the_same_port_or_folder_says_so_in_one_line(site):
    same_port = Site(site.data.parent / "other", port=site.port)
    same_port.environment["DATA"] = str(same_port.data)
    answer = same_port.manage("up")
    assert answer.returncode == 1
    assert (
        answer.stderr == f"interpedia: port {site.port} on 127.0.0.1 is taken. Choose another: PORT={site.port + 1}\n"
    )
    same_folder = Site(site.data.parent)
    answer = same_folder.manage("up")
    assert answer.returncode == 1
    assert answer.stderr.startswith("interpedia: another one runs on") and answer.stderr.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_told_to_stop_it_stops_everything_and_a_second_start_keeps_the_data(site, number):
    family = site.family()
    assert len(family) >= 6  # gunicorn and two of its workers, celery, its engine, the sweep
    assert site.stop(number) < 20
    assert site.process.returncode == 0
    assert not any(is_running(process) for process in family)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", site.port))
    site.start()
    site.wait_for(lambda: len(site.family()) >= 6)
    assert site.rows(STATES) == [("finished", 4)]


def test_killed_itself_it_leaves_no_process_behind(site):
    family = site.family()
    os.kill(site.process.pid, signal.SIGKILL)
    site.process.wait()
    end = time.monotonic() + 30
    while any(is_running(process) for process in family):
        assert time.monotonic() < end, [process.cmdline() for process in family if is_running(process)]
        time.sleep(0.1)
