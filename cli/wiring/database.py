"""The settings and the database."""

from __future__ import annotations

import functools
from pathlib import Path

from sqlalchemy import Engine

from broadcast.errors import SchemaError
from broadcast.settings import Settings, misspelt
from broadcast.text import t
from cli import output
from models import schema
from models.engine import open_engine, parse


@functools.cache
def settings() -> Settings:
    """Return the settings of this process. Raises SettingsError naming a wrong value.

    Warns once of what looks like a setting and is not read.
    """
    loaded = Settings.load()
    for name, near in misspelt().items():
        output.warn(t("settings.near", name=name, near=near))
    return loaded


def engine() -> Engine:
    """Return the engine of a database that has this program's schema.

    Raises SchemaError, DatabaseAwayError, SettingsError.
    """
    opened = _engine()
    schema.check(opened)
    return opened


def engine_to_upgrade() -> Engine:
    """Return the engine whatever schema is there."""
    return _open()


def _engine() -> Engine:
    url = parse(settings().database_url.get_secret_value())
    if url.get_backend_name() == "sqlite" and _is_absent(url.database):
        # Opening would leave an empty file behind, and a look must not.
        raise SchemaError("error.schema.missing")
    return _open()


def _is_absent(database: str | None) -> bool:
    return bool(database) and database != ":memory:" and not Path(str(database)).exists()


@functools.cache
def _open() -> Engine:
    return open_engine(settings().database_url.get_secret_value())
