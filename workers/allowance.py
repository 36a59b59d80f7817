"""What a run is allowed: seconds by its estimated cost, and memory by what the machine has."""

from __future__ import annotations

from django.conf import settings

from wiki.models import Measurement
from workers.engine.cost import cost_of, seconds_of
from workers.engine.documents.measurement import Measurement as Document

GIGA = 1e9
AT_LEAST = 120.0  # seconds, for loading the model and for a machine that is busy with other things
TIMES = 5.0  # the estimated time, so that only what hangs is stopped


def deadline_of(measurement: Measurement) -> tuple[float, str]:
    """Seconds after which a run of the measurement is stopped, and what they were taken from."""
    cost = cost_of(Document.read(measurement.text))
    allowed = AT_LEAST + TIMES * seconds_of(cost, settings.WORKER_SPEED * GIGA)
    if allowed > settings.RUN_DEADLINE:
        return float(settings.RUN_DEADLINE), "all that any run may take"
    return allowed, f"{TIMES:.0f} times what it was estimated to take"
