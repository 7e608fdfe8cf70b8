"""What every door answers in a situation is what is kept of it, member by member."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete

from models.engine import open_engine
from models.every_table import Base
from tests.golden import kept
from tests.golden.scene import Doors, Scene
from tests.golden.situations import (
    ALONE,
    WITH_WECHAT,
    calls,
    programs,
    stops,
    wechat_commands,
    wechats_lists,
)
from tests.golden.still import NOON, Still
from tests.kit import api, ledger, template
from tests.kit.api import Program
from tests.kit.receiver import Receiver
from tests.kit.simulator import SimulatedAccount, Simulator
from tests.servers.valkey import Valkey

#: Whose import names them.
_FILES = (calls, programs, stops, wechat_commands, wechats_lists)
ACCOUNTS = """
[accounts.default]
appid = "{appid}"
appsecret = "secret-of-nobody"
api_base = "{base}"

[accounts.shop]
appid = "wx0000000000000002"
appsecret = "secret-of-nobody"
api_base = "{base}"
"""


@dataclass(frozen=True, kw_only=True)
class Place:
    """An API and a ledger that all situations use in turn, by a clock that stands still."""

    program: Program
    clock: Still
    env: dict[str, str]


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """An API that is asked about each situation."""
    folder = tmp_path_factory.mktemp("golden")
    url = f"sqlite:///{folder / 'broadcast.db'}"
    settings = {name: value for name, value in api.settings(url).items() if value is not None}
    base = settings.pop("WECHAT_API_BASE")
    del settings["WECHAT_APPID"], settings["WECHAT_APPSECRET"]
    accounts = folder / "accounts.toml"
    accounts.write_text(ACCOUNTS.format(appid=ledger.account().appid, base=base), "utf-8")
    clock = Still(folder / "clock")
    env = {**settings, "BROADCAST_ACCOUNTS_FILE": str(accounts), "LOGNAME": "ops"}
    template.migrated(url).dispose()
    with api.started(folder, {**env, **clock.settings}) as process:
        program = Program(url=api.url_of(process), checks=False)
        yield Place(program=program, clock=clock, env=env)
        program.session.close()


@pytest.fixture(scope="session")
def stand_in() -> Iterator[Simulator]:
    """WeChat, for the situations in which it is there."""
    account = SimulatedAccount(name="default", appid=ledger.account().appid)
    with Simulator([account], followers=40, calls_per_minute=0) as wechat:
        yield wechat


@pytest.fixture
def scene(
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Scene]:
    """An empty ledger at noon; neither Redis, broker nor WeChat is there."""
    for name, value in place.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    place.clock.put(NOON)
    place.clock.begin()
    engine = open_engine(place.env["DATABASE_URL"])
    _empty(engine)
    try:
        with Receiver() as receiver:
            doors = Doors(program=place.program, receiver=receiver, capsys=capsys)
            yield Scene(engine, place.clock, doors)
    finally:
        engine.dispose()
        place.clock.end()


def _empty(engine: Engine) -> None:
    installation = Base.metadata.tables["bc_installation"]
    with engine.connect() as connection:
        rows = [dict(row) for row in connection.execute(installation.select()).mappings()]
    ledger.empty(engine)
    with engine.begin() as connection:
        connection.execute(delete(installation))
        connection.execute(installation.insert(), rows)


@pytest.fixture
def scene_with_wechat(
    scene: Scene, stand_in: Simulator, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> Scene:
    """The same, but commands find Redis and WeChat."""
    stand_in.reset()
    path = f"accounts/{stand_in.account.appid}/tags/102"
    stand_in.admin("POST", path, lines=stand_in.openids(40)[::3])
    monkeypatch.delenv("BROADCAST_ACCOUNTS_FILE")
    for name, value in {
        "WECHAT_APPID": stand_in.account.appid,
        "WECHAT_APPSECRET": stand_in.account.secret,
        "WECHAT_API_BASE": stand_in.url,
        "REDIS_URL": valkey.url,
    }.items():
        monkeypatch.setenv(name, value)
    scene.doors = replace(scene.doors, wechat=stand_in)
    return scene


@pytest.mark.parametrize("name", sorted(ALONE))
def test_every_door_answers_as_is_kept(scene: Scene, name: str) -> None:
    ALONE[name](scene)

    kept.check_whole(f"answers/{name}.json", scene.answers)


@pytest.mark.parametrize("name", sorted(WITH_WECHAT))
def test_every_command_that_asks_wechat_answers_as_is_kept(
    scene_with_wechat: Scene, name: str
) -> None:
    WITH_WECHAT[name](scene_with_wechat)

    kept.check_whole(f"answers/{name}.json", scene_with_wechat.answers)


def test_no_answers_are_of_a_situation_that_is_gone() -> None:
    assert {file.stem for file in kept.FOLDER.glob("answers/*.json")} == {*ALONE, *WITH_WECHAT}
