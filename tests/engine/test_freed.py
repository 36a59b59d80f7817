"""Memory that one tensor leaves serves the next."""

import subprocess
import sys

import pytest

from workers.engine.freed import keep_freed_memory

# 48 MiB, which glibc would map anew each time; how often a page was asked for over eight of them, and how many one has
FAULTS = """
import resource, torch
from workers.engine.freed import keep_freed_memory
keep_freed_memory()
for _ in range(8):
    torch.ones(12 * 2**20)  # until there are places that fit
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(8):
    torch.ones(12 * 2**20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before, 48 * 2**20 // resource.getpagesize())
"""


@pytest.mark.skipif(not keep_freed_memory(), reason="no glibc, or an old one")
def test_a_tensor_is_made_in_the_memory_of_the_one_before() -> None:
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    faults, pages = map(int, done.stdout.split())
    assert faults < 2 * pages  # of eight times as many
