"""Flower, which Celery brings: what it needs before it starts."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from pathlib import Path

from broadcast.errors import SettingsError
from broadcast.logs.log_lines import refuse
from broadcast.message import Message
from broadcast.settings.environment import secret_text

_SECRETS = ("FLOWER_BASIC_AUTH", "FLOWER_COOKIE_SECRET")


def close(argv: Sequence[str], environ: MutableMapping[str, str]) -> None:
    """End the process where Flower would show every page to everyone, as it does by default.

    Nor does it steer workers and send tasks, unless the operator says so.
    """
    if "flower" not in argv[1:]:
        return
    try:
        for name in _SECRETS:
            if path := environ.pop(f"{name}_FILE", None):
                environ[name] = secret_text(Path(path), name).strip()
    except SettingsError as error:
        refuse(error, status=error.exit_status)
    logins = ("basic_auth", "basic-auth", "auth")
    given = any(word.lstrip("-").partition("=")[0] in logins for word in argv)
    if not given and not environ.get("FLOWER_BASIC_AUTH") and not environ.get("FLOWER_AUTH"):
        refuse(Message("error.flower.no_login"), status=2)
    environ.setdefault("FLOWER_READ_ONLY", "true")
