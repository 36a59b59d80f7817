"""A marker says what a test needs from the machine; a machine that lacks it skips the test and counts it."""

import os

import pytest
from django.core.cache import caches

from tests.programs import PROGRAMS, require


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    for program in PROGRAMS:
        if item.get_closest_marker(program.marker):
            require(program)
    if item.get_closest_marker("checkpoints") and not os.environ.get("CHECKPOINTS"):
        pytest.skip("CHECKPOINTS= names no folder of foreign models")


@pytest.fixture(autouse=True)
def nothing_cached() -> None:
    """Counters of requests, say, which throttling keeps: in Redis they would outlive even the test run."""
    for cache in caches.all(initialized_only=True):
        cache.clear()
