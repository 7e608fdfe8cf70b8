"""One command as it runs: its terminal, and the real parts.

Nothing outlives the run: a second one in the same process reads its own environment.
"""

from __future__ import annotations

import getpass
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from broadcast.built_once import built_once
from entrypoints.cli.terminal import Terminal
from producer.wiring.store_parts import StoreParts

if TYPE_CHECKING:
    from broadcast.errors import BroadcastError
    from broadcast.rules.accounts import Account
    from broadcast.settings.program_settings import Settings
    from producer.request.door import SubmitService
    from producer.wiring.wechat import WeChat


class Run(StoreParts):
    """The object in ``context.obj`` of every command."""

    def __init__(self, terminal: Terminal, arguments: Sequence[str] = ()) -> None:
        """*arguments*: the words after ``broadcast``."""
        super().__init__()
        self.terminal = terminal
        # What a command says, it says by its run.
        self.say, self.say_all = terminal.say, terminal.say_all
        self.note, self.warn, self.confirm = terminal.note, terminal.warn, terminal.confirm
        self.texts, self.arguments = terminal.texts, arguments
        #: The command was called with ``--json``.
        self.as_json = False

    @built_once
    def settings(self) -> Settings:
        """The settings. Raises SettingsError naming a wrong value.

        Warns once of what looks like a setting and is not read.
        """
        from broadcast.errors import SettingsError
        from broadcast.settings.program_settings import Settings, misspelt

        loaded = Settings.load()
        for name, near in misspelt().items():
            self.terminal.warn("settings.near", name=name, near=near)
        # A wrong file is reported where the accounts are needed: the kill switch does without.
        with suppress(SettingsError):
            if left_out := loaded.left_out():
                self.terminal.warn(left_out)
        return loaded

    def account(self, name: str | None) -> Account:
        """Return the account that is meant. Raises SettingsError."""
        return self.settings.account(name)

    def show_json(self, value: Mapping[str, Any]) -> None:
        """Print the object of ``--json``, where that was given."""
        if self.as_json:
            self.terminal.show_json(value)

    def show_done(self, value: Mapping[str, Any]) -> None:
        """Print it for a command that did all that it was to do."""
        self.show_json({**value, "error": None})

    @built_once
    def wechat(self) -> WeChat:
        """WeChat and the shared access_token; they connect when they are first asked."""
        from producer.wiring.wechat import WeChat

        return WeChat(self.settings, on_drift=self._tell_drift)

    def _tell_drift(self, account: Account) -> None:
        """Warn the person that another program refreshes the token, and note it in the history."""
        from broadcast.errors import OutOfReachError, SchemaError
        from models.ledger.gates import gate_changes

        self.terminal.warn(account.drifted())
        # The next program that meets it writes the history; the operator has read it.
        with suppress(OutOfReachError, SchemaError):
            gate_changes.note_drift(self.engine, account.name, who=who())

    def door(self) -> SubmitService:
        """Return the door by which programs submit; WeChat is asked as ``send`` asks it."""
        from producer.request.door import SubmitService
        from producer.wiring.wechat import ClientChecks, QuotaWithReason

        return SubmitService(
            settings=self.settings,
            engine=self.engine,
            quota=QuotaWithReason(self.wechat),
            waker=self.waker,
            looks=ClientChecks(self.wechat),
        )

    def redis_problem(self) -> BroadcastError | None:
        """Return the problem with Redis or the broker, without which no lane moves."""
        from broadcast.errors import BrokerAwayError

        problem = self.wechat.redis_problem()
        if problem is None and self.settings.broker_url is not None:
            try:
                self.waker.workers(limit=1)
            except BrokerAwayError as error:
                return error
        return problem


def who() -> str:
    """Return ``cli:USER@HOST``."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a number without a name.
        user = "?"
    return f"cli:{user}@{socket.gethostname()}"[:128]
