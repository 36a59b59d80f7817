"""What behaviors, models, roles and findings have in common as resources: they are entries with revisions."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.exceptions import NotAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from api.pagination import Cursor
from api.parsers import DocumentParser
from api.problems import Overtaken, Unacceptable, refusal
from wiki import actions
from wiki.acceptance import Asker
from wiki.models import Entry, Revision
from workers.engine.documents.document import Invalid, Problem

SUMMARY = OpenApiParameter("summary", str, description="What the edit changes, for the history.")
IF_MATCH = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    description="The sha256 of the revision the edit started from; 409 with both versions if it is not the newest.",
)


class EntrySerializer(serializers.ModelSerializer[Entry]):
    """An entry with its newest revision's document."""

    revision = serializers.SerializerMethodField()
    document = serializers.SerializerMethodField()
    url = serializers.SerializerMethodField()

    class Meta:
        model = Entry
        fields = ["slug", "title", "url", "revision", "document"]

    def get_revision(self, entry: Entry) -> dict[str, Any]:
        return revision_of(entry)

    def get_document(self, entry: Entry) -> dict[str, Any]:
        assert entry.current is not None
        return entry.current.document.values()

    def get_url(self, entry: Entry) -> str:
        return str(self.context["request"].build_absolute_uri(entry.get_absolute_url()))


def revision_of(entry: Entry) -> dict[str, Any]:
    assert entry.current is not None
    return {"number": entry.current.number, "sha256": entry.current.sha256, "created_at": entry.current.created_at}


def publish(request: Request, kind: str, slug: str | None = None) -> Revision:
    """The request's document as a new revision; raises Unacceptable, Overtaken, NotAuthenticated, PermissionDenied."""
    if not request.user.is_authenticated:
        raise NotAuthenticated(
            "Writing needs a token: sign in, make one on your account page, and send it as 'Authorization: Token …'."
        )
    if not isinstance(request.data, dict):
        raise Unacceptable([Problem("", "send the document itself, as one JSON object")])
    expected = request.headers.get("If-Match", "").strip('"') or None
    summary = request.query_params.get("summary", "")
    try:
        asker = asker_of(request)
        return actions.publish(
            kind, request.data, asker.person, summary, expected, agent=asker.agent, address=slug or actions.NEW
        )
    except Invalid as error:
        raise refusal(error) from error
    except actions.Conflict as error:
        raise Overtaken(error) from error


def asker_of(request: Request) -> Asker:
    """The person, with the first characters of the token that the request came with; none for a signed-in browser."""
    assert request.user.is_authenticated
    return Asker(request.user, str(getattr(request.auth, "token_key", ""))[:8])


class EntrySet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Entry]):
    """List, read, create (POST) and change (PUT) the entries of one kind. Subclasses name the kind."""

    kind: str
    serializer_class = EntrySerializer
    pagination_class = Cursor
    parser_classes = [DocumentParser]
    lookup_field = "slug"
    lookup_value_regex = "[a-z0-9-]+"

    def get_queryset(self) -> Any:
        return Entry.objects.of_kind(self.kind).order_by("slug")

    @extend_schema(request=OpenApiTypes.OBJECT, parameters=[SUMMARY])
    def create(self, request: Request) -> Response:
        revision = publish(request, self.kind)
        return self._answer(revision.entry.slug, status.HTTP_201_CREATED)

    @extend_schema(request=OpenApiTypes.OBJECT, parameters=[SUMMARY, IF_MATCH])
    def update(self, request: Request, slug: str) -> Response:
        self.get_object()
        publish(request, self.kind, slug)
        return self._answer(slug, status.HTTP_200_OK)

    def _answer(self, slug: str, code: int) -> Response:
        written = self.get_queryset().get(slug=slug)
        return Response(self.get_serializer(written).data, status=code)
