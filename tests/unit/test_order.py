"""The longest tests begin first, in whatever order the others come."""

from __future__ import annotations

import pytest

from tests.servers.order import pytest_collection_modifyitems


def test_what_asks_for_the_most_time_begins_first_and_the_rest_keeps_its_order(
    request: pytest.FixtureRequest,
) -> None:
    items: list[pytest.Item] = [
        pytest.Function.from_parent(request.node.parent, name=name, callobj=lambda: None)
        for name in ("quick", "long", "quicker", "longest")
    ]
    quick, long, quicker, longest = items
    long.add_marker(pytest.mark.timeout(240))
    longest.add_marker(pytest.mark.timeout(900))

    pytest_collection_modifyitems(items)

    assert items == [longest, long, quick, quicker]
