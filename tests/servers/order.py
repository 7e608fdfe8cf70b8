"""What may take longest begins first: begun last, it would run alone while the others wait."""

from __future__ import annotations

import pytest


@pytest.hookimpl(trylast=True)  # after pytest-randomly has shuffled them
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that ask for the most time by a mark of their own."""
    items.sort(key=_asks_for_s, reverse=True)


def _asks_for_s(item: pytest.Item) -> float:
    mark = item.get_closest_marker("timeout")
    return float(mark.args[0]) if mark and mark.args else 0
