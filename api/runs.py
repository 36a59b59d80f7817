"""/api/v1/runs/"""

from __future__ import annotations

import json
from typing import Any

from django.db.models import QuerySet
from rest_framework import mixins, serializers, viewsets

from api.pagination import Cursor
from wiki.models import Run
from workers.engine.cost import TERA


class NewestFirst(Cursor):
    ordering = ("-created_at", "-id")


class RunRow(serializers.ModelSerializer[Run]):
    """A run's state. `seed` is published once the draw has finished."""

    measurement = serializers.CharField(source="measurement_id")
    seed = serializers.SerializerMethodField()
    progress = serializers.SerializerMethodField()
    tflop = serializers.SerializerMethodField(help_text="Estimated, at most.")
    memory_mib = serializers.IntegerField(source="measurement.memory", help_text="Estimated, at most.")

    class Meta:
        model = Run
        fields = [
            *("id", "measurement", "draw", "seed", "state", "attempts", "reason", "progress"),
            *("tflop", "memory_mib", "created_at", "claimed_at", "finished_at"),
        ]

    def get_seed(self, run: Run) -> str | None:
        return run.published_seed or None

    def get_tflop(self, run: Run) -> float:
        return run.measurement.cost / TERA

    def get_progress(self, run: Run) -> dict[str, Any]:
        return {"done": run.progress_done, "total": run.progress_total, "words": run.progress_words}


class RunDetail(RunRow):
    """A run with everything it measured: Numbers, SetsTried or PowerTried."""

    numbers = serializers.SerializerMethodField()

    class Meta(RunRow.Meta):
        fields = [*RunRow.Meta.fields, "numbers"]

    def get_numbers(self, run: Run) -> dict[str, Any] | None:
        return json.loads(run.numbers) if run.numbers else None


class RunSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Run]):
    """Runs: draws of measurements, queued, running and done. Append-only once finished."""

    queryset: QuerySet[Run] = Run.objects.select_related("measurement").defer("numbers", "measurement__text")
    pagination_class = NewestFirst
    filterset_fields = ["state", "measurement", "draw"]

    def get_serializer_class(self) -> type[RunRow]:
        return RunRow if self.action == "list" else RunDetail
