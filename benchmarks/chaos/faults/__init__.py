"""Every way in which a site is broken here. One file for each part that breaks."""

from __future__ import annotations

from benchmarks.chaos.faults import broker, clock, database, disk, killed, memory, partition, stopped

FAULTS = (
    *killed.FAULTS,
    *stopped.FAULTS,
    *broker.FAULTS,
    *database.FAULTS,
    *clock.FAULTS,
    *disk.FAULTS,
    *memory.FAULTS,
    *partition.FAULTS,
)
