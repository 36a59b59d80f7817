"""What freed memory is for: the next tensor. The C library would hand it back to the system, and ask for it again.

A replay frees a tensor of tens of megabytes in every step and makes one as large in the next. glibc maps and unmaps the
memory each time, and the system fills it with zeros, page by page: six
percent of a sweep's time on a CPU.
"""

from __future__ import annotations

import ctypes
import platform
from functools import cache

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # <malloc.h>
KEPT = 192 * 2**20  # bytes of freed memory at the heap's end, at most, that stay with the process
MAPPED = 64 * 2**20  # bytes: larger blocks, such as whole weights, are given back as soon as they are freed


@cache
def keep_freed_memory() -> bool:
    """Once for the whole process; False where the C library is no glibc or an old one, which does as it sees fit."""
    if not _is_glibc():
        return False
    done = [ctypes.CDLL(None).mallopt(*option) for option in ((M_MMAP_THRESHOLD, MAPPED), (M_TRIM_THRESHOLD, KEPT))]
    return done == [1, 1]


def give_back_freed_memory() -> None:
    """When the work is done: others may want it before the next."""
    if _is_glibc():
        ctypes.CDLL(None).malloc_trim(0)


def _is_glibc() -> bool:
    return platform.libc_ver()[0] == "glibc"
