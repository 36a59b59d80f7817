"""Queues by memory class. A run's class says which bell is rung for it; a worker hears those of what may fit it."""

from __future__ import annotations

CLASSES: dict[str, int] = {"small": 4_096, "medium": 16_384, "large": 49_152, "huge": 163_840}
"""Class -> MiB that its runs take at most; what takes more than the last is of the last one too."""

PREFIX = "runs-"


def class_of(memory: int) -> str:
    """Of a run that takes so many MiB."""
    return next((name for name, most in CLASSES.items() if memory <= most), [*CLASSES][-1])


def classes_for(memory: int) -> list[str]:
    """Those of which some runs fit into so many MiB."""
    least = dict(zip(CLASSES, [0, *CLASSES.values()], strict=False))
    return [name for name in CLASSES if least[name] < memory]


def queue_of(name: str) -> str:
    """The broker's queue of a class, or of one worker alone."""
    return PREFIX + name.replace("@", ".")  # which the embedded broker refuses
