"""``broadcast pause ID``."""

from __future__ import annotations

from broadcast.text import t
from cli.commands.options import BroadcastID, Why, new_app
from cli.commands.steering import steer
from cli.group import Command
from models.ledger import operator

app = new_app()


@app.command(cls=Command, help=t("help.pause"))
def pause(*, broadcast_id: BroadcastID, why: Why = None) -> None:
    """Start no new call of a broadcast."""
    steer(operator.pause, broadcast_id, why=why, done="pause.done", already="pause.already")
