"""Memory that one tensor leaves serves the next."""

import platform
import resource

import pytest
import torch

from workers.engine.freed import keep_freed_memory

NUMBERS = 16 * 2**20  # 64 MiB, which glibc would map anew each time
PAGES = 4 * NUMBERS // resource.getpagesize()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="no glibc")
def test_a_tensor_is_made_in_the_memory_of_the_one_before() -> None:
    assert keep_freed_memory()
    torch.ones(NUMBERS)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(4):
        torch.ones(NUMBERS)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before <= 2 * PAGES  # the first may find another place
