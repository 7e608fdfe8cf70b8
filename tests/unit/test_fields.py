"""A refusal names the same field at every door."""

from __future__ import annotations

import pytest

from broadcast.errors import AudienceError, BroadcastError, InputError, RequestError


@pytest.mark.parametrize(
    ("error", "field"),
    [
        (InputError("error.at.past", at="x"), "at"),
        (AudienceError("error.audience.nothing_valid", read=1), "audience"),
        (InputError("error.submit.repeated", id="x"), "again"),
        (InputError("error.submit.key_taken", id="x"), "key"),
        (InputError("error.tag.unknown", field="audience.tag_id", tag=1), "audience.tag_id"),
        (InputError("error.campaign.no_time"), "cron"),
        (InputError("error.campaign.no_times", zone="x"), "timezone"),
        (InputError("error.launch.repeated", name="x", at="x"), "again"),
        (InputError("error.launch.size", size=1, last=3, brake=30), "audience"),
        (RequestError("error.request.no_object", field=""), None),
        (InputError("error.broadcast.unknown", id="x"), None),
    ],
)
def test_an_error_names_its_field(error: BroadcastError, field: str | None) -> None:
    assert error.field == field
