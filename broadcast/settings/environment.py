"""The environment as settings see it: what ``.env`` says, where the environment says nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from io import StringIO
from pathlib import Path

from broadcast.errors import SettingsError, of_file, refuse_pipe

DOTENV = Path(".env")
#: Set by the demo for its command: the database is gone with it, so no later command can look.
DEMO = "BROADCAST_DEMO"
#: Where a worker shows that it has its broker.
HEARTBEAT_FILE = "BROADCAST_HEARTBEAT_FILE"
#: Set by docker-compose.yml: commands are typed beside it.
COMPOSE = "BROADCAST_COMPOSE"
#: Read elsewhere, before there are settings or beside them.
NO_SETTINGS = frozenset({"BROADCAST_DEBUG", "BROADCAST_CRASH_AT", HEARTBEAT_FILE, DEMO, COMPOSE})
#: URLs with a password, any of which may stand in a file: that of DATABASE_URL_FILE, and so on.
URLS = ("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL")
#: Of Flower, which reads them from files as well.
FLOWER_SECRETS = ("FLOWER_BASIC_AUTH", "FLOWER_BROKER_API", "FLOWER_COOKIE_SECRET")


def read() -> Mapping[str, str | None]:
    """Return the variables of the environment and of ``.env``.

    Settings read the same file and say what is wrong with it, so a bad one counts as none here.
    """
    try:
        return {**written(), **os.environ}
    except SettingsError:
        return os.environ


def written() -> Mapping[str, str | None]:
    """Return the variables of ``.env``. Raises SettingsError where any of it cannot be read."""
    try:
        text = DOTENV.read_text("utf-8-sig")
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError as error:
        # The error itself carries the whole file, and the file carries secrets.
        problem = SettingsError("error.settings.dotenv", byte=error.start)
    except OSError as error:
        problem = SettingsError("error.settings.dotenv_unread", reason=of_file(error))
    else:
        from dotenv import dotenv_values  # noqa: PLC0415 - only where there is a file
        from dotenv.parser import parse_stream  # noqa: PLC0415

        # The library itself skips such a line, and another account would be taken.
        wrong = next((one.original for one in parse_stream(StringIO(text)) if one.error), None)
        if wrong is None:
            return dotenv_values(stream=StringIO(text))
        blank = len(wrong.string) - len(wrong.string.lstrip("\n"))
        problem = SettingsError("error.settings.dotenv_line", line=wrong.line + blank)
    raise problem


def secret_text(path: Path, name: str, *, may_be_empty: bool = False) -> str:
    """Return what stands in the file of the secret *name*. Raises SettingsError if it is empty."""
    problem = "secret_file"
    with suppress(OSError, UnicodeDecodeError):
        refuse_pipe(path)
        if (text := path.read_text(encoding="utf-8-sig")).strip() or may_be_empty:
            return text
        problem = "secret_file_empty"
    # Outside the handler: its error can hold what stands in the file.
    raise SettingsError(f"error.settings.{problem}", path=path, variable=f"{name}_FILE")


def of_files(names: Iterable[str], said: Mapping[str, str | None]) -> dict[str, str]:
    """Return the secrets of *names* that stand in files. Raises SettingsError."""
    files = {name: path for name in names if (path := said.get(f"{name}_FILE"))}
    for name in files:
        if said.get(name) is not None:
            raise SettingsError("error.settings.two_places", name=name)
    return {name: secret_text(Path(path), name).strip() for name, path in files.items()}
