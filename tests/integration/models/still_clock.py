"""A clock of the database that stands still until a test moves it, on each engine.

With it a history is the same in every run, whatever the machine is busy with and however near the
turn of WeChat's day it is run.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, event

#: Noon in Shanghai, in the middle of a month.
NOON = datetime(2026, 3, 12, 4, tzinfo=UTC)


class StillClock:
    """What the database takes for the present moment."""

    def __init__(self, engine: Engine) -> None:
        """Put the clock of *engine*, which has not connected yet, to noon."""
        self.now = NOON
        {"sqlite": self._sqlite, "postgresql": self._postgresql, "mysql": self._mysql}[
            engine.dialect.name
        ](engine)

    def pass_(self, elapsed: timedelta) -> None:
        """Let time pass."""
        self.now += elapsed

    def _sqlite(self, engine: Engine) -> None:
        @event.listens_for(engine, "connect")
        def _connect(dbapi: Any, _record: object) -> None:
            dbapi.create_function("strftime", 2, strftime)
            # How much of a history a power cut leaves is another test's subject.
            dbapi.execute("PRAGMA synchronous=OFF")

        def strftime(form: str, moment: str) -> str:
            assert (form, moment) == ("%Y-%m-%d %H:%M:%f000", "now"), "not models.engine's clock"
            return f"{self.now:%Y-%m-%d %H:%M:%S.%f}"

    def _postgresql(self, engine: Engine) -> None:
        """Put a function before the server's own one, by the search path."""
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE SCHEMA IF NOT EXISTS still")
            connection.exec_driver_sql(
                "CREATE OR REPLACE FUNCTION still.clock_timestamp() RETURNS timestamptz"
                " LANGUAGE sql VOLATILE"
                " AS $$ SELECT current_setting('still.now')::timestamptz $$"
            )

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            connection.exec_driver_sql(
                "SELECT set_config('search_path', 'still, pg_catalog, public', true),"
                f" set_config('still.now', '{self.now.isoformat()}', true)"
            )

    def _mysql(self, engine: Engine) -> None:
        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            connection.exec_driver_sql(f"SET timestamp = {self.now.timestamp():.6f}")
