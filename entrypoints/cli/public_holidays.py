"""Public holidays of China, and the weekend days that are worked for them (调休)."""

from __future__ import annotations

from datetime import date
from typing import TypeVar

import chinese_calendar
from chinese_calendar.constants import Holiday

from broadcast.message import Message

_Shown = TypeVar("_Shown")


def beside(shown: _Shown, day: date) -> _Shown | Message:
    """Return what is shown of a day, with the holiday that it is, or is worked for.

    The State Council names a year's days in the November before it: later years have none.
    """
    try:
        is_off, name = chinese_calendar.get_holiday_detail(day)
    except NotImplementedError:
        return shown
    if name is None:
        return shown
    holiday = Message(f"holiday.{Holiday(name).name}")
    note = Message("campaign.day_off" if is_off else "campaign.day_worked", holiday=holiday)
    return Message("campaign.on_holiday", day=shown, note=note)
