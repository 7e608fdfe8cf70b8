"""What every unit test has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from broadcast import redaction


@pytest.fixture(autouse=True)
def _without_secrets_of_other_tests() -> Iterator[None]:
    """Forget the secrets that a test made known: the next one may print the same word."""
    yield
    redaction.forget_all()
