import pytest
from rest_framework.test import APIClient

from tests.cast import Cast, cast
from tests.wiki import documents
from wiki import actions


@pytest.fixture
def people(db) -> Cast:
    return cast()


@pytest.fixture
def neighbors(db) -> None:
    documents.neighbors()


@pytest.fixture
def anyone(db) -> APIClient:
    return APIClient()


@pytest.fixture
def ada(people) -> APIClient:
    return with_token(people.ada)


@pytest.fixture
def bo(people) -> APIClient:
    return with_token(people.bo)


def with_token(person) -> APIClient:
    """A plain client that sends a token, as a script would."""
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {actions.make_token(person)}")
    return client
