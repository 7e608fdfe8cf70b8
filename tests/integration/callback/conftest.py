"""A callback server as its own process, on a database of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from models.every_table import PushRow
from tests.kit import template
from tests.kit.processes import RunningProcess, python_module
from tests.kit.pushes import AES_KEY, TOKEN, Sender

APPID = "wx0000000000000001"
READY = "callback ready "
ACCOUNTS = f"""
[accounts.plain]
appid = "{APPID}"
appsecret = "secret-of-nobody"
callback_token = "{TOKEN}"
unsubscribe_words = ["退订", "TD"]
replies = {{ "你好" = "您好！" }}

[accounts.safe]
appid = "wx0000000000000002"
appsecret = "secret-of-nobody"
callback_token = "{TOKEN}"
encoding_aes_key = "{AES_KEY}"
unsubscribe_words = ["退订", "TD"]
replies = {{ "你好" = "您好！" }}

[accounts.refusing]
appid = "wx0000000000000004"
appsecret = "secret-of-nobody"
callback_token = "{TOKEN}"

[accounts.none]
appid = "wx0000000000000003"
appsecret = "secret-of-nobody"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A running server, and what it stored."""

    process: RunningProcess
    url: str
    engine: Engine

    def to(self, account: str) -> Sender:
        """WeChat's side of one of its accounts."""
        url = f"{self.url}/wechat/{account}/callback"
        if account == "safe":
            return Sender(url=url, appid="wx0000000000000002", aes_key=AES_KEY)
        # Of this one the history notes a refusal; of the others it may have noted one before.
        return Sender(url=url, appid="wx0000000000000004" if account == "refusing" else APPID)

    def stored(self, account: str) -> list[PushRow]:
        """What was stored for an account, in order."""
        with self.engine.connect() as connection:
            query = select(PushRow.__table__).where(PushRow.account == account)
            return list(connection.execute(query.order_by(PushRow.id)).all())  # type: ignore[arg-type]


def settings(folder: Path, url: str) -> dict[str, str | None]:
    """The environment of a server; nobody listens where its broker should be."""
    (folder / "accounts.toml").write_text(ACCOUNTS, encoding="utf-8")
    return {
        "DATABASE_URL": url,
        "BROADCAST_ACCOUNTS_FILE": str(folder / "accounts.toml"),
        "BROADCAST_LANG": "zh",
        "REDIS_URL": "redis://127.0.0.1:1/0",
    }


def started(folder: Path, env: dict[str, str | None]) -> RunningProcess:
    """Start a server and wait until it is ready."""
    command = python_module("entrypoints.cli.main", "callback", "--port", "0")
    process = RunningProcess(command, log=folder / "callback.log", env=env, cwd=folder, warm=True)
    try:
        process.wait_for_line(READY, timeout_s=30)
    except AssertionError:
        process.kill()
        raise
    return process


def url_of(process: RunningProcess) -> str:
    """Where it listens."""
    return process.output.rsplit(READY, 1)[1].split()[0]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with an account in plain mode, one with an AES key, and one without a token."""
    folder = tmp_path_factory.mktemp("callback")
    url = f"sqlite:///{folder / 'broadcast.db'}"
    engine = template.migrated(url)
    with started(folder, settings(folder, url)) as process:
        yield Served(process=process, url=url_of(process), engine=engine)
    engine.dispose()
