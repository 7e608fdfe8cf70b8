"""``broadcast resume ID``."""

from __future__ import annotations

from broadcast.text import t
from cli.commands.options import BroadcastID, Why, new_app
from cli.commands.steering import steer
from cli.group import Command
from models.ledger import operator

app = new_app()


@app.command(cls=Command, help=t("help.resume"))
def resume(*, broadcast_id: BroadcastID, why: Why = None) -> None:
    """Let a broadcast go on."""
    steer(operator.resume, broadcast_id, why=why, done="resume.done", already="resume.already")
