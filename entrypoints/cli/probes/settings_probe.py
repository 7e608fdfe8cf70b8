"""Whether the settings can be read, and by whom."""

from __future__ import annotations

import os
import re
import shlex
import stat
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from broadcast.errors import SettingsError
from broadcast.message import Message
from broadcast.rules.accounts import Account, no_account
from broadcast.rules.findings import Fault, Finding, of_fault
from broadcast.settings import environment
from broadcast.settings.environment import DOTENV
from broadcast.settings.good_keys import GoodKeys
from broadcast.settings.program_settings import Settings, like_settings, variables

#: Docker puts secrets there, for its container alone.
_OF_DOCKER: Final = Path("/run/secrets")
#: Of a `.env` in GB18030. The old one is kept, as nobody can be sure of an encoding.
_CONVERSION: Final = (
    "(text=$(iconv -f GB18030 -t UTF-8 .env) && install -m 600 .env .env.gb18030"
    r""" && printf '%s\n' "$text" > .env)"""
)


def read(found: list[Finding]) -> Settings | None:
    """Return the settings, None where they are of no use; add to *found* what is wrong."""
    found += _open_files([DOTENV])
    try:
        written = environment.written()
    except SettingsError as error:
        found.append(_of_dotenv(error))
        return None
    found += _misspelt(written)
    try:
        settings = Settings.load()
    except SettingsError as error:
        found.append(_of_settings(error))
        return None
    keys = partial(GoodKeys, settings, list, may_be_empty=False)
    for look in (settings.receivers, settings.signing_secrets, keys):
        try:
            look()
        except SettingsError as error:
            found.append(_of_settings(error))
    found += _open_files(_files_of(settings))
    return settings


def accounts_of(settings: Settings, found: list[Finding]) -> Mapping[str, Account]:
    """Return the accounts, none where they are of no use; add to *found* what is wrong."""
    try:
        accounts = settings.accounts()
    except SettingsError as error:
        found.append(_of_settings(error))
        return {}
    if not accounts:
        found.append(Finding(fault=Fault.NO_ACCOUNT, what=no_account().message))
    found += _open_files(_files_of_accounts(settings))
    return accounts


def _of_settings(error: SettingsError) -> Finding:
    return Finding(fault=Fault.SETTINGS, what=error.message)


def _of_dotenv(error: SettingsError) -> Finding:
    command = None
    if error.message_id == "error.settings.dotenv_line":
        line = int(str(error.facts["line"]))
        return Finding(
            fault=Fault.DOTENV,
            what=error.message,
            fix=_named(line),
            is_stopgap=True,
            command=f"sed -i --follow-symlinks '{line}s/^/# /' {DOTENV}",
        )
    if error.message_id == "error.settings.dotenv" and _is_gb18030(DOTENV.read_bytes()):
        command = _CONVERSION
    return Finding(fault=Fault.DOTENV, what=error.message, command=command)


def _is_gb18030(written: bytes) -> bool:
    """Return whether all of it is what Chinese editors write, and no line of it may be UTF-8."""
    text = written.decode("gb18030", "replace")
    lines = (line.decode("utf-8", "replace") for line in written.splitlines())
    is_all = not {"\0", "\ufffd"} & {*text}
    return is_all and all(line.isascii() or "\ufffd" in line for line in lines)


def _named(line: int) -> Message | None:
    """Return whose line it is, where it is a setting's: any other word may be a secret."""
    words = re.split(r"\W+", DOTENV.read_text("utf-8-sig").split("\n")[line - 1])
    known = variables()
    name = next((word for word in words if word in known), None)
    return Message("fix.doctor.dotenv_line", name=name) if name else None


def _misspelt(written: Iterable[str]) -> Iterator[Finding]:
    in_file = {name.upper() for name in written}
    alike = like_settings()
    for name, near in alike.items():
        # A quote or a byte order mark may stand beside the name.
        line = rf"s/^(\W*(export\s+)?){name}(\W*=)/\1{near}\3/I"
        # Another one would be a second value of the right one.
        is_sole = [*in_file, *alike.values()].count(near) == 1
        yield Finding(
            fault=Fault.MISSPELT,
            what=Message("settings.near", name=name, near=near),
            command=f"sed -i --follow-symlinks -E '{line}' {DOTENV}"
            if name in in_file and is_sole
            else None,
        )


def _files_of(settings: Settings) -> Iterator[Path]:
    """Yield the files that hold secrets."""
    for name in type(settings).model_fields:
        if name.endswith("_file") and (path := getattr(settings, name)) is not None:
            yield path
    said = environment.read()
    for name in (*environment.URLS, *environment.FLOWER_SECRETS):
        if path := said.get(f"{name}_FILE"):
            yield Path(path)


def _files_of_accounts(settings: Settings) -> Iterator[Path]:
    if settings.accounts_file is not None:
        tables = tomllib.loads(settings.accounts_file.read_text("utf-8-sig"))["accounts"]
        files = (one.get("appsecret_file") for one in tables.values())
        yield from map(Path, filter(None, files))


def _open_files(paths: Iterable[Path]) -> Iterator[Finding]:
    """Yield the files that every user of the machine can read."""
    for path in paths:
        if is_open(path):
            # Of another's file this user may be one of the others, who must go on reading it.
            is_ours = path.stat().st_uid == os.geteuid()
            command = f"chmod o= {shlex.quote(str(path))}" if is_ours else None
            yield of_fault(Fault.OPEN_FILE, command=command, has_fix=not is_ours, path=path)


def is_open(path: Path) -> bool:
    """Return whether *path* is a file that every user of the machine can read."""
    # Where this user may not look, it is False; Path.is_file raises.
    is_file = os.path.isfile(path)  # noqa: PTH113
    if not is_file or _OF_DOCKER in path.absolute().parents:
        return False
    return bool(path.stat().st_mode & stat.S_IROTH)
