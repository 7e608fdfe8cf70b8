"""POST message/mass/speed/get and speed/set (section 4.4), and what the speed does."""

from __future__ import annotations

from simulator.core.accounts import Account
from simulator.core.endpoint import Call, Fields
from simulator.core.errors import RefusalError
from simulator.core.world import World

#: By level: 10,000 recipients in a minute.
REAL = (80, 60, 45, 30, 10)
DEFAULT = 0
_UNIT = 10_000
_MINUTE_S = 60


class Speed:
    """The level of one account."""

    def __init__(self, _account: Account) -> None:
        self.level = DEFAULT


def get(call: Call) -> Fields:
    """Return the level and what it means."""
    level = call.account.part(Speed).level
    return {"speed": level, "realspeed": REAL[level]}


def set_(call: Call) -> Fields:
    """Set the level: 45084 none, 45083 no level."""
    level = call.message.get("speed")
    if level is None:
        raise RefusalError(45084)
    if not isinstance(level, int) or isinstance(level, bool) or not 0 <= level < len(REAL):
        raise RefusalError(45083)
    call.account.part(Speed).level = level
    return {"errcode": 0, "errmsg": ""}


def seconds_for(world: World, account: Account, *, heads: int) -> float:
    """Return the seconds that the speed stretches a job to; nothing unless a switch wants it."""
    if not world.switches.speed_matters:
        return 0
    return heads / (REAL[account.part(Speed).level] * _UNIT) * _MINUTE_S
