"""``speed``: how fast WeChat delivers the account's mass sends."""

from __future__ import annotations

from typing import Annotated

import typer

from broadcast.errors import InputError
from broadcast.message import Message
from broadcast.rules.calls.outcomes import Endpoint
from broadcast.rules.hand_calls import ByHand, HandCall
from broadcast.views.objects import members
from broadcast.views.words import Joined
from broadcast.wechat.api.mass_control import LEVELS, SpeedGet, SpeedSet
from entrypoints.cli.commands.options import (
    AccountName,
    Why,
    alone,
    new_group,
)
from entrypoints.cli.run import Run, who
from entrypoints.cli.terminal import short
from entrypoints.cli.wechat_calls import by_hand, show_called

app, speed = new_group("speed")


@alone(speed)
@speed.command(help="help.speed.get")
def get(run: Run, *, account: AccountName = None) -> None:
    """Ask WeChat for the speed."""
    chosen = run.account(account)
    seen = run.wechat.ask(chosen, SpeedGet())
    run.say("speed.line", account=chosen.name, level=seen.level, n=seen.followers_a_minute)
    run.show_done(_object(chosen.name, seen.level, seen.followers_a_minute))


@speed.command(name="set", help="help.speed.set")
def set_(
    run: Run,
    *,
    level: Annotated[str, typer.Argument(metavar="LEVEL", help="help.speed.level")],
    account: AccountName = None,
    why: Why = None,
) -> int:
    """Set the speed."""
    number = level_of(level)
    chosen = run.account(account)
    order = HandCall(kind=ByHand.SPEED, who=who(), why=why, target=str(number))
    called = by_hand(run, chosen, order, request=SpeedSet(level=number), at=Endpoint.SPEED)
    facts = {"account": chosen.name, "level": number, "n": LEVELS[number], "why": called.why()}
    run.say(Message(f"speed.{called.end('set')}", **facts))
    shown = _object(chosen.name, number if called.result.done else None, None)
    show_called(run, shown | members(called.result, "errcode", "errmsg"), [called])
    return called.status


def level_of(text: str) -> int:
    """Read a level. Raises InputError, with what each level comes to."""
    known = {str(level): level for level in LEVELS}
    if text not in known:
        levels = [Message("speed.level", level=level, n=n) for level, n in LEVELS.items()]
        raise InputError("error.speed.level", text=short(text), levels=Joined(levels, "comma"))
    return known[text]


def _object(account: str, level: int | None, followers: int | None) -> dict[str, object]:
    return {"account": account, "speed": level, "followers_a_minute": followers}
