"""What a part that is silent, missing or unreadable takes from what doctor finds of the others."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from broadcast.rules.findings import Part
from tests.acceptance.administering import administrator
from tests.acceptance.test_doctor import F, found
from tests.kit.command_line import CommandLine
from tests.kit.wait import patiently
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.proofs import not_proved

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem
    from tests.servers.postgresql import PostgreSQL
    from tests.servers.valkey import Valkey


@pytest.mark.prove
def test_where_nobody_answers_it_ends_within_ten_seconds(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server((LOOPBACK, 0))) for _ in range(4)]
        database, redis, broker, wechat = (
            f"{LOOPBACK}:{listener.getsockname()[1]}" for listener in listeners
        )
        line = CommandLine(
            tmp_path,
            env={
                "DATABASE_URL": f"postgresql://somebody@{database}/broadcast",
                "REDIS_URL": f"redis://{redis}/0",
                "WECHAT_API_BASE": f"http://{wechat}",
                "CELERY_BROKER_URL": f"amqp://guest:guest@{broker}//",
            },
        )
        began = time.monotonic()
        said = line.run("doctor", "--json").json

    assert time.monotonic() - began < patiently(10)
    faults = [F.DATABASE_AWAY, F.REDIS_AWAY, F.BROKER_AWAY, F.WECHAT_AWAY]
    assert [one["id"] for one in said["findings"]] == faults
    assert said["not_looked_at"] == ["stored", "workers", "calls", "token"]


def test_without_an_account_the_parts_that_need_none_are_looked_at(tmp_path: Path) -> None:
    away = f"postgresql://somebody@{LOOPBACK}:{free_port()}/broadcast"
    line = CommandLine(tmp_path, env={"DATABASE_URL": away})

    said = line.run("doctor", "--json", WECHAT_APPID=None, WECHAT_APPSECRET=None).json

    assert [one["id"] for one in said["findings"]] == [F.NO_ACCOUNT, F.DATABASE_AWAY, F.REDIS_AWAY]
    assert said["not_looked_at"] == ["stored", "workers", "wechat", "calls", "token"]


def test_a_worker_that_is_missing_is_found_without_an_account_which_keeps_none_from_its_start(
    tmp_path: Path, valkey: Valkey
) -> None:
    line = CommandLine(tmp_path, env={"REDIS_URL": valkey.url})

    said = line.run("doctor", "--json", WECHAT_APPID=None, WECHAT_APPSECRET=None).json

    faults = [F.NO_ACCOUNT, F.DATABASE_EMPTY, F.NO_WORKER, F.NO_BEAT]
    assert [one["id"] for one in said["findings"]] == faults
    assert "workers" not in said["not_looked_at"]


@pytest.mark.prove
def test_what_is_wrong_with_the_server_is_found_before_the_database_has_tables(
    tmp_path: Path, valkey: Valkey, postgresql: PostgreSQL, postgresql_url: str
) -> None:
    line = CommandLine(tmp_path, env={"REDIS_URL": valkey.url, "DATABASE_URL": postgresql_url})
    with administrator(postgresql, postgresql_url) as admin:
        name = admin.scalar(text("SELECT current_database()"))
        admin.execute(text(f"ALTER DATABASE {name} SET synchronous_commit = off"))

    said = line.run("doctor", "--json", WECHAT_APPID=None, WECHAT_APPSECRET=None).json

    faults = [F.NO_ACCOUNT, F.DATABASE_EMPTY, F.DURABILITY, F.NO_WORKER, F.NO_BEAT]
    assert [one["id"] for one in said["findings"]] == faults


def test_the_redis_of_tokens_and_that_of_the_broker_are_told_apart(
    tmp_path: Path, valkey: Valkey
) -> None:
    nobody = f"redis://{LOOPBACK}:{free_port()}/0"
    tokens_away = CommandLine(tmp_path, env={"REDIS_URL": nobody, "CELERY_BROKER_URL": valkey.url})
    broker_away = CommandLine(tmp_path, env={"REDIS_URL": valkey.url, "CELERY_BROKER_URL": nobody})
    both_away = CommandLine(
        tmp_path, env={"REDIS_URL": nobody, "CELERY_BROKER_URL": nobody.replace("/0", "/1")}
    )

    found, hidden = zip(
        *(parts_of(one) for one in (tokens_away, broker_away, both_away)), strict=True
    )

    assert found == (
        [F.REDIS_AWAY, F.NO_WORKER, F.NO_BEAT],
        [F.BROKER_AWAY],
        [F.REDIS_AWAY],
    )
    assert hidden == (["token"], ["workers"], ["workers", "token"])


def parts_of(line: CommandLine) -> tuple[list[str], list[str]]:
    """What is found of Redis, broker and workers, and which of them was not looked at."""
    said = line.run("doctor", "--json").json
    others = {F.DATABASE_EMPTY, F.WECHAT_AWAY}
    found = [one["id"] for one in said["findings"] if one["id"] not in others]
    return found, [part for part in said["not_looked_at"] if part in {"workers", "token"}]


@pytest.fixture
def dead_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk whose server answers nothing, as that of an NFS which is away."""
    disk = tmp_path / "disk"
    disk.mkdir()
    try:
        device = os.open("/dev/fuse", os.O_RDWR)
    except OSError:
        not_proved("a disk that does not answer", "there is no FUSE here")
    options = f"fd={device},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()}"
    mounted = subprocess.run(
        ["mount", "-i", "-t", "fuse", "-o", options, "dead", str(disk)],
        pass_fds=[device],
        check=False,
        capture_output=True,
    )
    if mounted.returncode:
        os.close(device)
        not_proved("a disk that does not answer", "nothing can be mounted here")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)
    os.close(device)


@pytest.mark.prove
def test_a_disk_that_does_not_answer_is_found(dead_disk: Path, tmp_path: Path) -> None:
    line = CommandLine(tmp_path, env={"DATABASE_URL": f"sqlite:///{dead_disk}/broadcast.db"})

    said = line.run("doctor", "--json").json

    faults = [F.DATABASE_AWAY, F.REDIS_AWAY, F.WECHAT_AWAY, F.DISK]
    assert [one["id"] for one in said["findings"]] == faults
    assert "disks" in said["findings"][-1]["what"]


def test_a_setting_that_keeps_all_others_from_being_read_leaves_every_part_unknown(
    tmp_path: Path,
) -> None:
    said = CommandLine(tmp_path).run("doctor", "--json", BROADCAST_LATE_BY="soon").json

    assert [one["id"] for one in said["findings"]] == [F.SETTINGS]
    assert said["not_looked_at"] == list(Part)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("export WECHAT_APPID wx1", "WECHAT_APPID"),
        ("WECHAT_APPSECRET='abc", "WECHAT_APPSECRET"),
        ("noSecretOfAnybody x", None),
    ],
)
def test_a_line_that_cannot_be_read_is_left_out_by_its_command_and_named_to_be_corrected(
    tmp_path: Path, line: str, name: str | None
) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text(f"# ours\n{line}\n")
    dotenv.chmod(0o600)

    done = CommandLine(tmp_path).run("doctor", "--json")

    (finding,) = done.json["findings"]
    assert finding["fix"] == (f"Correct the line of {name}." if name else None)
    assert not finding["repairable"]
    assert f"Until then, to leave the line out: {finding['command']}" in done.err
    assert not {"wx1", "abc", "noSecret"} & set(re.findall(r"\w+", done.err + done.out))
    subprocess.run(["bash", "-c", finding["command"]], cwd=tmp_path, check=True)
    assert dotenv.read_text() == f"# ours\n# {line}\n"


def test_what_a_look_at_one_part_dies_of_takes_nothing_from_what_the_others_find(
    tmp_path: Path,
) -> None:
    nowhere = tmp_path / ("a" * 300)
    line = CommandLine(tmp_path, env={"DATABASE_URL": f"sqlite:///{nowhere}/broadcast.db"})

    said = line.run("doctor", "--json")
    traced = line.run("doctor", "--json", BROADCAST_DEBUG="1")

    faults = [F.DATABASE_AWAY, F.REDIS_AWAY, F.WECHAT_AWAY]
    assert [one["id"] for one in said.json["findings"]] == faults
    assert said.json["not_looked_at"] == ["stored", "workers", "calls", "token", "disk"]
    assert said.status == 1
    assert "Could not look at: disks. Unexpected error (OSError" in said.err
    assert "disk_probe.py" not in said.err
    assert "disk_probe.py" in traced.err


def test_a_wrong_clock_is_found_though_another_account_is_silent(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=10)
    system.simulator.set_switches(date_offset_s=180)
    file = system.folder / "accounts.toml"
    with socket.create_server((LOOPBACK, 0)) as silent:
        # It is given up last.
        file.write_text(
            f'{file.read_text()}[accounts.silent]\nappid = "wx00000000000000ff"\n'
            f'appsecret = "secret"\napi_base = "http://{LOOPBACK}:{silent.getsockname()[1]}"\n'
        )
        seen = found(system)

    assert F.WECHAT_AWAY in seen
    assert F.CLOCK in seen


def test_an_address_that_is_silent_to_many_accounts_is_one_finding(tmp_path: Path) -> None:
    with socket.create_server((LOOPBACK, 0), backlog=128) as silent:
        base = f"http://{LOOPBACK}:{silent.getsockname()[1]}"
        accounts = tmp_path / "accounts.toml"
        accounts.write_text(
            "".join(
                f'[accounts.a{n}]\nappid = "wx{n:016d}"\nappsecret = "{"0123456789abcdef" * 2}"\n'
                f'account_kind = "service"\napi_base = "{base}"\n'
                for n in range(40)
            )
        )
        accounts.chmod(0o600)
        line = CommandLine(tmp_path, env={"BROADCAST_ACCOUNTS_FILE": str(accounts)})
        said = line.run(
            "doctor", "--json", WECHAT_APPID=None, WECHAT_APPSECRET=None, WECHAT_API_BASE=None
        ).json

    assert [one["id"] for one in said["findings"]].count(F.WECHAT_AWAY) == 1


def test_a_user_of_redis_without_info_is_no_redis_that_is_away(
    tmp_path: Path, valkey: Valkey
) -> None:
    with valkey.client() as client:
        client.execute_command(
            "ACL", "SETUSER", "app", "on", ">secret", "~*", "&*", "+@all", "-info"
        )
        url = valkey.url.replace("://", "://app:secret@")
        said = CommandLine(tmp_path, env={"REDIS_URL": url}).run("doctor", "--json").json
        client.execute_command("ACL", "DELUSER", "app")

    of_redis = [one["id"] for one in said["findings"] if one["id"].startswith("redis")]
    assert of_redis == [F.REDIS_UNSEEN]
