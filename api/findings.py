"""/api/v1/findings/"""

from __future__ import annotations

import json
from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from api.claims import ClaimSerializer
from api.entries import IF_MATCH, SUMMARY, publish, revision_of
from api.pagination import Cursor
from api.parsers import DocumentParser
from api.problems import Unacceptable
from wiki import bundles
from wiki.models import Finding, Kind
from workers.engine.documents.components import NotAComponent, component
from workers.engine.documents.document import Problem


class NewestFirst(Cursor):
    ordering = ("-updated_at", "slug")


class FindingFilter(filters.FilterSet):
    """`head=9.9` needs `model=`: a head is a head of a model."""

    behavior = filters.CharFilter(field_name="behavior__slug")
    model = filters.CharFilter(field_name="model__slug")
    role = filters.CharFilter(field_name="nodes__role", distinct=True)
    badge = filters.ChoiceFilter(choices=Finding._meta.get_field("badge").choices)
    head = filters.CharFilter(method="by_head", help_text="LAYER.HEAD, together with model=")

    class Meta:
        model = Finding
        fields = ["behavior", "model", "role", "badge"]

    def by_head(self, findings: QuerySet[Finding], name: str, value: str) -> QuerySet[Finding]:
        layer, head = head_of(value, bool(self.data.get("model")))
        return findings.filter(nodes__layer=layer, nodes__head=head).distinct()


def head_of(text: str, model_is_named: bool) -> tuple[int | None, int | None]:
    """`9.9` -> (9, 9); raises Unacceptable if it is no head, or no model says whose head it is."""
    if not model_is_named:
        raise Unacceptable([Problem("head", "a head is a head of a model: add model=SLUG")])
    try:
        found = component(text)
    except NotAComponent as error:
        raise Unacceptable([Problem("head", str(error))]) from error
    if found.kind != "head" or found.is_wildcard:
        raise Unacceptable([Problem("head", f"{text!r} is no head; write LAYER.HEAD, e.g. 9.9")])
    return found.layer, found.head


class FindingRow(serializers.ModelSerializer[Finding]):
    """A finding in a list: its badge, its circuit, and its claims with what was measured."""

    badge_notes = serializers.SerializerMethodField()
    behavior = serializers.SlugRelatedField[Any]("slug", read_only=True)
    model = serializers.SlugRelatedField[Any]("slug", read_only=True)
    url = serializers.SerializerMethodField()
    revision = serializers.SerializerMethodField()
    nodes = serializers.SerializerMethodField()
    claims = ClaimSerializer(many=True)

    class Meta:
        model = Finding
        fields = [
            *("slug", "title", "summary", "url", "behavior", "model", "badge", "badge_reason", "badge_notes"),
            *("revision", "updated_at", "nodes", "claims"),
        ]

    def get_badge_notes(self, finding: Finding) -> list[str]:
        return list(json.loads(finding.badge_detail).get("notes", []))

    def get_url(self, finding: Finding) -> str:
        return str(self.context["request"].build_absolute_uri(finding.get_absolute_url()))

    def get_revision(self, finding: Finding) -> dict[str, Any]:
        return revision_of(finding.entry)

    def get_nodes(self, finding: Finding) -> list[dict[str, str | None]]:
        return [
            {
                "component": node.component,
                "role": node.role or None,
                "role_tested": node.role_tested or None,
                "coverage": node.coverage or None,
            }
            for node in finding.nodes.all()
        ]


class FindingDetail(FindingRow):
    """A finding with its whole document and the claims that were withdrawn after failing."""

    document = serializers.SerializerMethodField()
    withdrawn = serializers.SerializerMethodField()

    class Meta(FindingRow.Meta):
        fields = [*FindingRow.Meta.fields, "document", "withdrawn"]

    def get_document(self, finding: Finding) -> dict[str, Any]:
        assert finding.entry.current is not None
        return finding.entry.current.document.values()

    def get_withdrawn(self, finding: Finding) -> list[dict[str, str]]:
        return [{"claim": item.claim, "sentence": item.sentence} for item in finding.entry.withdrawals.all()]


class FindingSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Finding]):
    """Findings: behavior x model x circuit, with claims whose evidence is re-run on the real weights."""

    queryset = Finding.objects.none()
    pagination_class = NewestFirst
    parser_classes = [DocumentParser]
    filterset_class = FindingFilter
    lookup_field = "slug"
    lookup_value_regex = "[a-z0-9-]+"

    def get_queryset(self) -> QuerySet[Finding]:
        related = Finding.objects.select_related("behavior", "model", "entry__current")
        return related.prefetch_related("nodes", "claims__expectation", "entry__withdrawals")

    def get_serializer_class(self) -> type[FindingRow]:
        return FindingRow if self.action == "list" else FindingDetail

    @extend_schema(request=OpenApiTypes.OBJECT, parameters=[SUMMARY], responses={201: FindingDetail})
    def create(self, request: Request) -> Response:
        """Publish a new finding; its claims are queued at once. The answer's badge is `checking` until they ran."""
        revision = publish(request, Kind.FINDING)
        return self._answer(revision.entry.slug, status.HTTP_201_CREATED)

    @extend_schema(request=OpenApiTypes.OBJECT, parameters=[SUMMARY, IF_MATCH], responses=FindingDetail)
    def update(self, request: Request, slug: str) -> Response:
        """A new revision of the finding. Only claims without a verdict are queued."""
        self.get_object()
        publish(request, Kind.FINDING, slug)
        return self._answer(slug, status.HTTP_200_OK)

    @extend_schema(responses=OpenApiTypes.OBJECT)
    @action(detail=True)
    def bundle(self, request: Request, slug: str) -> Response:
        """The finding with every document it pins, ready for `python -m workers.engine verify`."""
        return Response(bundles.of_finding(self.get_object()).values())

    def _answer(self, slug: str, code: int) -> Response:
        written = self.get_queryset().get(slug=slug)
        return Response(self.get_serializer(written).data, status=code)
