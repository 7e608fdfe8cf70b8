"""An API as its own process, on a database of its own; neither Redis nor WeChat is there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.kit import api, template
from tests.kit.api import Program
from tests.kit.processes import RunningProcess

ACCOUNTS = """
[accounts.shop]
appid = "wx0000000000000001"
appsecret = "secret-of-nobody"
api_base = "{base}"

[accounts.main]
appid = "wx0000000000000002"
appsecret = "secret-of-nobody"
api_base = "{base}"
"""
#: Each of one scope, and one that is good for one account alone.
KEYS = (
    f"{api.KEY}\nreader:read:reader-key-0123\nsubmitter:submit:submitter-key-0123\n"
    "controller:control:controller-key-0123\nnobody:approve:approver-key-0123\n"
    "of-shop:read+submit+control@shop:of-shop-key-0123\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A running API, and its database."""

    process: RunningProcess
    url: str
    engine: Engine
    folder: Path

    def program(self, key: str | None = api.KEY) -> Program:
        """A program with this key."""
        return Program(url=self.url, key=key)


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An API with two accounts, and keys in a file."""
    folder = tmp_path_factory.mktemp("api")
    url = f"sqlite:///{folder / 'broadcast.db'}"
    env = api.settings(url)
    (folder / "accounts.toml").write_text(ACCOUNTS.format(base=env.pop("WECHAT_API_BASE")))
    (folder / "keys").write_text(KEYS)
    del env["WECHAT_APPID"], env["WECHAT_APPSECRET"], env["BROADCAST_API_KEYS"]
    env |= {
        "BROADCAST_ACCOUNTS_FILE": str(folder / "accounts.toml"),
        "BROADCAST_API_KEYS_FILE": str(folder / "keys"),
    }
    engine = template.migrated(url)
    with api.started(folder, env) as process:
        yield Served(process=process, url=api.url_of(process), engine=engine, folder=folder)
    engine.dispose()


@pytest.fixture
def program(served: Served) -> Program:
    """A program that may do everything."""
    return served.program()


@pytest.fixture
def fresh_url(database_url: str) -> str:
    """URL of a database with its tables, of each server."""
    template.migrated(database_url).dispose()
    return database_url
