"""/api/v1/claims/"""

from __future__ import annotations

import json
from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from rest_framework import mixins, serializers, viewsets

from api.pagination import Cursor
from wiki.models import Claim


class ClaimSerializer(serializers.ModelSerializer[Claim]):
    """A claim with its newest verdict. `measured`, `interval`, `verdict` and `specific` are null until measured."""

    id = serializers.CharField(source="slug")
    expect = serializers.SerializerMethodField()
    kind = serializers.SerializerMethodField()
    measured = serializers.SerializerMethodField()
    interval = serializers.SerializerMethodField()
    verdict = serializers.SerializerMethodField()
    reason = serializers.SerializerMethodField()
    specific = serializers.SerializerMethodField()
    stated_after_measuring = serializers.SerializerMethodField()
    measurement = serializers.CharField(source="measurement_id", allow_null=True)
    control = serializers.CharField(source="control_id", allow_null=True)

    class Meta:
        model = Claim
        fields = [
            *("id", "sentence", "statement", "technique", "essential", "kind", "expect", "measured", "interval"),
            *("verdict", "reason", "specific", "stated_after_measuring", "reworded", "measurement", "control"),
        ]

    def get_expect(self, claim: Claim) -> dict[str, Any] | None:
        return json.loads(claim.expect) if claim.expect else None

    def get_kind(self, claim: Claim) -> str:
        return claim.kind

    def get_measured(self, claim: Claim) -> float | None:
        return _verdict(claim).get("measured")

    def get_interval(self, claim: Claim) -> list[float] | None:
        return _verdict(claim).get("interval")

    def get_verdict(self, claim: Claim) -> str | None:
        return _verdict(claim).get("outcome")

    def get_reason(self, claim: Claim) -> str | None:
        return _verdict(claim).get("reason")

    def get_specific(self, claim: Claim) -> str | None:
        return _verdict(claim).get("specific")

    def get_stated_after_measuring(self, claim: Claim) -> bool | None:
        return claim.expectation.stated_after_measuring if claim.expectation else None


def _verdict(claim: Claim) -> dict[str, Any]:
    return json.loads(claim.verdict) if claim.verdict else {}


class ClaimRow(ClaimSerializer):
    finding = serializers.CharField(source="finding.slug")

    class Meta(ClaimSerializer.Meta):
        fields = ["finding", *ClaimSerializer.Meta.fields]


class ClaimFilter(filters.FilterSet):
    finding = filters.CharFilter(field_name="finding__slug")
    verdict = filters.CharFilter(field_name="outcome")

    class Meta:
        model = Claim
        fields = ["finding", "technique", "verdict"]


class ClaimSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Claim]):
    """Claims of all findings, with their verdicts."""

    queryset: QuerySet[Claim] = Claim.objects.select_related("expectation", "finding")
    serializer_class = ClaimRow
    pagination_class = Cursor
    filterset_class = ClaimFilter
