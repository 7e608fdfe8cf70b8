"""What every unit test has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from broadcast import redaction

# How fast a machine is says nothing of the code.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


@pytest.fixture(autouse=True)
def _without_secrets_of_other_tests() -> Iterator[None]:
    """Forget the secrets that a test made known: the next one may print the same word."""
    yield
    redaction.forget_all()
