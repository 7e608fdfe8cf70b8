"""What a Python program asks for, as keywords: the same body as that of HTTP and of Celery."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypedDict

from broadcast.errors import RequestError


class _Needed(TypedDict):
    #: Yours, up to 128 characters: the same key and the same rest are one broadcast, always.
    key: str
    #: WeChat's own object of mass/send: ``{"msgtype": "text", "text": {"content": "…"}}``.
    content: dict[str, Any]
    #: Exactly one of ``{"openids": […]}`` (up to 100,000), ``{"followers": True}``,
    #: ``{"tag_id": 2}`` and ``{"to_all": True, "confirm_to_all": "ACCOUNT"}``.
    audience: Mapping[str, Any]


class Arguments(_Needed, total=False):
    """A broadcast; what is left out has the default of ``broadcast send``.

    The same keys as in a request over HTTP or Celery (``producer.request.shape.Request``), with one
    addition: ``at`` may be a datetime.
    """

    #: By its name in the settings; may be left out where there is one.
    account: str | None
    #: An aware datetime, or ISO 8601, which is Beijing time where it names no zone.
    at: str | datetime | None
    title: str | None
    #: -100 to 100; of an account's broadcasts the highest goes first.
    priority: int
    #: A first call that comes later than this is held: ``"15m"``, ``"1h30m"``.
    late_by: str | None
    spread_days: bool
    #: ``"tag:2"``, ``"broadcast:ID"``.
    exclude: list[str]
    only_current: bool
    #: ``"500"`` or ``"10%"``.
    sample: str | None
    with_tag: int | None
    ignore_suppression: bool
    #: The same content went to the same audience today, and is to go once more.
    again: bool
    #: Who gets webhooks of how it ended: ``{"url": "https://…"}``.
    notify: dict[str, str] | None


def as_body(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return *asked* as every other program asks for it. Raises RequestError."""
    at = asked.get("at")
    if not isinstance(at, datetime):
        return dict(asked)
    if at.tzinfo is None:
        # A text without a zone is a person's; a naive datetime may be UTC, or any machine's time.
        raise RequestError("error.request.no_zone", field="at")
    return {**asked, "at": at.isoformat()}
