"""/api/v1/heads/: what is known of one head, over all findings."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from rest_framework import mixins, serializers, viewsets

from api.findings import head_of
from api.pagination import Cursor
from wiki.models import Node


class HeadSerializer(serializers.ModelSerializer[Node]):
    model = serializers.CharField(source="finding.model.slug")
    head = serializers.SerializerMethodField()
    finding = serializers.CharField(source="finding.slug")
    behavior = serializers.CharField(source="finding.behavior.slug")
    badge = serializers.CharField(source="finding.badge")
    role = serializers.SerializerMethodField()
    role_tested = serializers.SerializerMethodField()
    coverage = serializers.SerializerMethodField()

    class Meta:
        model = Node
        fields = [
            *("model", "head", "component", "role", "role_tested", "note", "coverage", "finding", "behavior", "badge")
        ]

    def get_head(self, node: Node) -> str:
        return f"{node.layer}.{node.head}"

    def get_role(self, node: Node) -> str | None:
        return node.role or None

    def get_role_tested(self, node: Node) -> str | None:
        """holds, fails, undecided, no_threshold or not_tested; null for a node without a role."""
        return node.role_tested or None

    def get_coverage(self, node: Node) -> str | None:
        return node.coverage or None


class HeadFilter(filters.FilterSet):
    """`head=9.9` needs `model=`."""

    model = filters.CharFilter(field_name="finding__model__slug")
    behavior = filters.CharFilter(field_name="finding__behavior__slug")
    badge = filters.CharFilter(field_name="finding__badge")
    role = filters.CharFilter(field_name="role")
    head = filters.CharFilter(method="by_head", help_text="LAYER.HEAD, together with model=")

    class Meta:
        model = Node
        fields = ["model", "behavior", "role", "badge"]

    def by_head(self, nodes: QuerySet[Node], name: str, value: str) -> QuerySet[Node]:
        layer, head = head_of(value, bool(self.data.get("model")))
        return nodes.filter(layer=layer, head=head)


class HeadSet(mixins.ListModelMixin, viewsets.GenericViewSet[Node]):
    """The cross-index: every head that any finding names, with its role and what covers it."""

    queryset: QuerySet[Node, Any] = Node.objects.filter(kind="head").select_related(
        "finding__model", "finding__behavior"
    )
    serializer_class = HeadSerializer
    pagination_class = Cursor
    filterset_class = HeadFilter
