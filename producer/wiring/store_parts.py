"""The parts that store broadcasts and wake workers for them: settings, engine and waker."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from broadcast.built_once import built_once

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from broadcast.settings.program_settings import Settings
    from producer.waking import CeleryWaker

# What one process needs another one does not pay for: a look at the database imports no Celery.


class StoreParts:
    """The parts of one process that need no WeChat, each built when it is first needed.

    A connection from before a fork is two processes' one: make one for each process.
    """

    def __init__(self) -> None:
        """Build nothing yet."""
        #: The process whose parts they are.
        self.pid = os.getpid()
        #: To the database that stay open; as many more may come for a while.
        self.connections = 5

    @built_once
    def settings(self) -> Settings:
        """The settings. Raises SettingsError naming a wrong value."""
        from broadcast.settings.program_settings import Settings

        return Settings.load()

    @built_once
    def engine(self) -> Engine:
        """The engine of a database that has this program's schema.

        Raises SchemaError, DatabaseAwayError, SettingsError.
        """
        from models import schema

        schema.check_present(self.settings.database())
        schema.check(self.engine_to_upgrade)
        return self.engine_to_upgrade

    @built_once
    def engine_to_upgrade(self) -> Engine:
        """The engine whatever schema is there. Raises SettingsError."""
        from models.engine import open_engine

        return open_engine(self.settings.database(), pool_size=self.connections)

    @built_once
    def waker(self) -> CeleryWaker:
        """The way to call a worker; it connects when it wakes."""
        from producer.waking import CeleryWaker

        return CeleryWaker(self.settings.celery_broker_url)
