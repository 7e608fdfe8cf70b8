"""Faults of an installation, as they are planted, and taken back where no command repairs them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests
from sqlalchemy import text

from broadcast.rules.findings import Fault
from tests.kit import foreign, template
from tests.kit.pushes import Sender, event
from tests.servers.ports import LOOPBACK, free_port

if TYPE_CHECKING:
    from tests.kit.system import System

F = Fault
#: Of the callback URL.
TOKEN = "noSecretOfAnybody"
Step = Callable[["System"], object]


@dataclass(frozen=True, slots=True)
class Plant:
    """A fault, how it is planted, and how it is taken back; variables and files are put back."""

    fault: Fault
    sow: Step
    undo: Step = lambda _: None


def env(**values: str) -> Step:
    return lambda system: system.env.update(values)


def nobody_at(name: str, url: str) -> Step:
    """Let a variable lead to a port at which nobody listens."""
    return lambda system: system.env.update({name: url.format(f"{LOOPBACK}:{free_port()}")})


def redis(*words: str) -> Step:
    def step(system: System) -> None:
        with system.valkey.client() as client:
            client.execute_command(*words)

    return step


def account(**changes: Any) -> Step:
    return lambda system: system.simulator.change_account(**changes)


def in_accounts(change: Callable[[System, str], str]) -> Step:
    """Write something else into the accounts file."""

    def step(system: System) -> None:
        file = system.folder / "accounts.toml"
        file.write_text(change(system, file.read_text()))

    return step


def dotenv(line: str, mode: int = 0o600, encoding: str = "utf-8") -> Step:
    def step(system: System) -> None:
        file = system.folder / ".env"
        file.write_text(line, encoding=encoding)
        file.chmod(mode)

    return step


def appsecret_apart(system: System, written: str) -> str:
    """Let every user of the machine read the AppSecret in a file of its own."""
    file = system.folder / "appsecret"
    file.write_text(system.simulator.account.secret, "ascii")
    file.chmod(0o644)
    return re.sub(r"^appsecret = .*$", f'appsecret_file = "{file}"', written, flags=re.MULTILINE)


def sql(*statements: str) -> Step:
    def step(system: System) -> None:
        with system.engine.begin() as connection:
            for one in statements:
                connection.execute(text(one))

    return step


def as_it_was(system: System) -> None:
    """Take the newer database back; a worker that has met it ends by itself."""
    sql(
        "UPDATE bc_alembic_version SET version_num = '2c8b6e04f9d1'",
        "UPDATE bc_installation SET oldest_compatible = oldest_compatible - 90",
    )(system)
    worker = system.processes[0]
    worker.kill()
    system.again(worker)


def command(*words: str) -> Step:
    return lambda system: system.broadcast(*words)


def fill_memory(system: System) -> None:
    with system.valkey.client() as client:
        memory: Any = client.info("memory")
        client.config_set("maxmemory", memory["used_memory"] + 60_000)


def user_without_info(system: System) -> None:
    redis("ACL", "SETUSER", "app", "on", ">secret", "~*", "&*", "+@all", "-info")(system)
    system.env["REDIS_URL"] = system.valkey.url.replace("://", "://app:secret@")


def elsewhere(system: System) -> None:
    """Start a worker of another database on the same broker."""
    other = f"sqlite:///{system.folder / 'other.db'}"
    engine = template.migrated(other)
    with engine.begin() as connection:
        # It is a copy, which has the same id.
        connection.execute(text("UPDATE bc_installation SET id = 'another'"))
    engine.dispose()
    system.worker(DATABASE_URL=other)


def stop_last(system: System) -> None:
    system.processes.pop().stop()


def cancel(*queues: str) -> Step:
    """Do what `celery -A worker control cancel_consumer` does."""

    def step(system: System) -> None:
        with foreign.app_of(system.env.get("CELERY_BROKER_URL", system.valkey.url)) as app:
            app.conf.control_exchange = "broadcast"
            # One of the pool may be of a server that a test before has ended.
            with app.connection_for_write() as fresh:
                for queue in queues:
                    app.control.cancel_consumer(queue, reply=True, timeout=1, connection=fresh)

    return step


def strangers_send(system: System) -> None:
    """Let another program send from the account."""
    known, url = system.simulator.account, f"{system.simulator.url}/cgi-bin"
    body = {"grant_type": "client_credential", "appid": known.appid, "secret": known.secret}
    token = requests.post(f"{url}/stable_token", json=body, timeout=60).json()["access_token"]
    for n in range(10):
        message = {
            "touser": system.simulator.openids(2),
            "msgtype": "text",
            "text": {"content": f"hello {n}"},
        }
        sent = requests.post(
            f"{url}/message/mass/send", params={"access_token": token}, json=message, timeout=60
        )
        assert sent.json()["errcode"] == 0


def replace_token(system: System) -> None:
    """Let another program fetch a token by force, and a command of ours meet that."""
    system.broadcast("token", "refresh")
    system.simulator.invalidate_token()
    system.broadcast("quota")


def forget_tokens(system: System) -> None:
    with system.valkey.client() as client:
        for key in client.scan_iter("*token*"):
            client.delete(key)


def push(token: str, status: int) -> Step:
    def step(system: System) -> None:
        url = f"{system.callback()}/wechat/default/callback"
        sender = Sender(url=url, appid=system.simulator.account.appid, token=token)
        assert sender.push(event("CLICK")).status_code == status

    return step


def nonsense(system: System) -> None:
    """Let another program ask for what is no broadcast."""
    with foreign.app_of(system.valkey.url) as app:
        foreign.enqueue(app, key="nonsense", account="nobody")


def drop_letters(system: System) -> None:
    for letter in foreign.dead_letters(system):
        system.broadcast("dead", "drop", letter["id"])


PLANTS = (
    Plant(F.DOTENV, dotenv("# 设置\n", encoding="gb18030")),
    Plant(F.SETTINGS, env(BROADCAST_LATE_BY="soon")),
    Plant(
        F.APPID,
        sql("UPDATE bc_accounts SET appid = 'no' || appid"),
        sql("UPDATE bc_accounts SET appid = substr(appid, 3)"),
    ),
    Plant(F.MISSPELT, dotenv("export broadcast_late_bt = 20m\n")),
    Plant(F.OPEN_FILE, dotenv("BROADCAST_LATE_BY=20m\n", mode=0o644)),
    Plant(F.OPEN_FILE, in_accounts(appsecret_apart)),
    Plant(F.DATABASE_AWAY, nobody_at("DATABASE_URL", "postgresql://somebody@{}/broadcast")),
    Plant(
        F.DATABASE_NEW,
        sql(
            "UPDATE bc_alembic_version SET version_num = 'ffffffffffff'",
            "UPDATE bc_installation SET oldest_compatible = oldest_compatible + 90",
        ),
        as_it_was,
    ),
    Plant(F.REDIS_AWAY, nobody_at("REDIS_URL", "redis://{}/0")),
    Plant(F.REDIS_EVICTS, redis("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")),
    Plant(F.REDIS_UNSEEN, user_without_info),
    Plant(F.REDIS_FULL, fill_memory),
    Plant(F.REDIS_REPLICA, redis("REPLICAOF", LOOPBACK, "1"), redis("REPLICAOF", "NO", "ONE")),
    Plant(F.BROKER_AWAY, nobody_at("CELERY_BROKER_URL", "amqp://guest:guest@{}//")),
    Plant(F.WORKER_ELSEWHERE, elsewhere, stop_last),
    Plant(F.WORKER_DEAF, cancel("broadcast", "broadcast.enqueue")),
    Plant(
        F.WECHAT_AWAY,
        in_accounts(
            lambda system, file: file.replace(
                system.simulator.url, f"http://{LOOPBACK}:{free_port()}"
            )
        ),
    ),
    Plant(
        F.TOKEN,
        in_accounts(lambda system, file: file.replace(system.simulator.account.secret, "f" * 32)),
    ),
    Plant(F.WHITELIST, account(whitelist=["10.0.0.1"]), account(whitelist=None)),
    Plant(F.TOKEN_REPLACED, replace_token, forget_tokens),
    Plant(F.QUOTA, account(used=100, daily_limit=100)),
    Plant(
        F.CALLS_UNKNOWN,
        lambda system: system.simulator.fault(
            "errcode", path="/cgi-bin/openapi/quota/get", errcode=48001, errmsg="api unauthorized"
        ),
        lambda system: system.simulator.clear_faults(),
    ),
    Plant(F.OTHER_PROGRAM, strangers_send, account(used=0)),
    Plant(
        F.CLOCK,
        lambda system: system.simulator.set_switches(date_offset_s=180),
        lambda system: system.simulator.set_switches(date_offset_s=0),
    ),
    Plant(
        F.RESTORED,
        sql("UPDATE bc_installation SET place = 'sqlite 1'"),
        command("restored", "--moved", "--yes"),
    ),
    Plant(F.ACCOUNT_OFF, command("halt", "--all"), command("unhalt", "--all")),
    Plant(F.CALLBACK, push("another1", 403), push(TOKEN, 200)),
    Plant(F.DEAD_LETTERS, nonsense, drop_letters),
)
