"""The options of a repeated request: which of them differ from those of the first."""

from __future__ import annotations

from broadcast.rules.plan.submission import Options, Stored


def test_an_option_that_neither_request_said_differs_in_nothing() -> None:
    """The settings changed between the two, and with them what is left out comes to."""
    first = Options(said={"title": "April"})
    second = Options(said={"title": "May"}, defaults={"late_by": 3_600.0})
    stored = Stored(title="April", priority=0, late_by_s=7_200, spread_days=False, notify_url=None)

    assert second.differing(first.digest, stored.possible(), stored) == ["title"]
