"""What the map and the trials change in a run of pytest: only SQLite, and no haste.

Tests that need another database than SQLite, or RabbitMQ, are left out. Hypothesis draws the same
examples each time, and gives them all the time that a busy machine takes.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

OTHERS = {"postgresql", "mariadb", "rabbitmq"}


def begin() -> None:
    """Set Hypothesis before the first test is imported."""
    settings.register_profile(
        "steady", deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    settings.load_profile("steady")


def leave_out(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests that need another database than SQLite, or RabbitMQ."""
    left_out = [item for item in items if _needs_more(item)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if not _needs_more(item)]


def _needs_more(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    values = {} if callspec is None else callspec.params
    asked = [*getattr(item, "fixturenames", ()), *values.values()]
    return any(isinstance(one, str) and one.removesuffix("_url") in OTHERS for one in asked)
