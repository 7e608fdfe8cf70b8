"""A receiver of webhooks for the tests of a worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kit.receiver import Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Where webhooks are posted to."""
    with Receiver() as receiver:
        yield receiver
