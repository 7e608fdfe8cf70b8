"""A connection to the Valkey of the test, and a stand-in for WeChat's token endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from broadcast.tokens.redis_access import Connection, connect
from tests.integration.tokens.twins import CountingFetcher

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers.valkey import Valkey


@pytest.fixture
def connection(valkey: Valkey) -> Iterator[Connection]:
    """A connection as the project makes it, to an empty Valkey."""
    with connect(valkey.url) as redis:
        yield redis


@pytest.fixture
def fetcher(tmp_path: Path) -> CountingFetcher:
    """A WeChat that gives a new token at each call, and counts the calls of all processes."""
    return CountingFetcher(tmp_path / "fetches")
