"""/api/v1/behaviors/"""

from __future__ import annotations

from api.entries import EntrySet
from wiki.models import Kind


class BehaviorSet(EntrySet):
    """Behaviors: tasks with their prompts, metric, chance level and threshold."""

    kind = Kind.BEHAVIOR
