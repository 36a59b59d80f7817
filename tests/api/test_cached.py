"""What the API counts of requests, and whatever else is cached, begins anew with every test."""

import pytest
from django.core.cache import cache


@pytest.mark.parametrize("time", ["first", "second"])
def test_nothing_cached_outlives_a_test(time):
    assert cache.get("requests") is None
    cache.set("requests", 1)
    assert cache.get("requests") == 1
