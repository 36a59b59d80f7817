"""A marker says what a test needs from the machine; a machine that lacks it skips the test and counts it."""

import os

import pytest

from tests.programs import PROGRAMS, require


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    for program in PROGRAMS:
        if item.get_closest_marker(program.marker):
            require(program)
    if item.get_closest_marker("checkpoints") and not os.environ.get("CHECKPOINTS"):
        pytest.skip("CHECKPOINTS= names no folder of foreign models")
