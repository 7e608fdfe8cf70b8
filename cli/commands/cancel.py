"""``broadcast cancel ID``."""

from __future__ import annotations

from broadcast.text import t
from cli.commands.options import BroadcastID, Why, new_app
from cli.commands.steering import steer
from cli.group import Command
from models.ledger import operator

app = new_app()


@app.command(cls=Command, help=t("help.cancel"))
def cancel(*, broadcast_id: BroadcastID, why: Why = None) -> None:
    """Never call the rest of a broadcast."""
    steer(operator.cancel, broadcast_id, why=why, done="cancel.done", already="cancel.already")
