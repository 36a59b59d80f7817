import pytest

from tests.cast import Cast, cast
from tests.wiki import documents


@pytest.fixture
def people(db) -> Cast:
    return cast()


@pytest.fixture
def ada(people):
    return people.ada


@pytest.fixture
def neighbors(db) -> None:
    documents.neighbors()
