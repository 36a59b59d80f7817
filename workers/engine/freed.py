"""What freed memory is for: the next tensor. The C library would hand it back to the system, and ask for it again.

A replay frees a tensor of tens of megabytes in every step and makes one as large in the next. glibc maps and unmaps the
memory each time, and the system fills it with zeros, page by page: a tenth of a head sweep's time on a CPU.
"""

from __future__ import annotations

import ctypes
import platform
from functools import cache

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # <malloc.h>
KEPT = 512 * 2**20  # bytes of freed memory at the heap's end, at most, that stay with the process
MAPPED = 256 * 2**20  # bytes: larger blocks, such as whole weights, are given back as soon as they are freed


@cache
def keep_freed_memory() -> bool:
    """Once for the whole process; False where the C library is no glibc, and memory is handled as it sees fit."""
    if platform.libc_ver()[0] != "glibc":
        return False
    glibc = ctypes.CDLL(None)
    return all(glibc.mallopt(*option) == 1 for option in ((M_MMAP_THRESHOLD, MAPPED), (M_TRIM_THRESHOLD, KEPT)))
