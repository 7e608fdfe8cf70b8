"""WeChat's day: it turns at 00:00 in Shanghai, by WeChat's clock (WeChat page Batch_Sends)."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")


def start(moment: datetime) -> datetime:
    """Return the beginning of the day in which *moment* (aware) lies."""
    local = moment.astimezone(SHANGHAI)
    return local.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(moment.tzinfo)


def turn(moment: datetime) -> datetime:
    """Return the end of the day in which *moment* (aware) lies."""
    return start(moment) + timedelta(days=1)
