"""Commands that `broadcast doctor` prints: of other programs, and never with a password."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from sqlalchemy import make_url

from broadcast.errors import (
    BrokerAwayError,
    DatabaseAwayError,
    DurabilityError,
    OutOfReachError,
    RedisAwayError,
)
from broadcast.message import Message
from broadcast.rules.findings import Fault, Finding, of_fault, of_workers
from broadcast.views.texts import Language, Texts
from entrypoints.cli.commands import api
from entrypoints.cli.probes import redis_probe, settings_probe
from entrypoints.cli.probes.shell_words import as_typed, away, redis_cli, sql
from entrypoints.cli.showing import texts_of
from models.engine import parse
from tools.packages import ROOT

ORDER = ("CONFIG", "SET", "maxmemory", "1")
PASSWORD = "p@:/?;#%+ w"


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("redis://cache:6379/2", "-u redis://cache:6379/2"),
        ("rediss://cache:6379/0?ssl_cert_reqs=none", "-u rediss://cache:6379/0"),
        ("redis://:pa%3Ass@cache:6379/0", "-u redis://cache:6379/0 --askpass"),
        ("redis://a%40b:pa%3Ass@cache/0", "-u redis://cache/0 --askpass --user a@b"),
        ("unix:///run/cache?db=0&password=pa%3Ass", "-s /run/cache --askpass"),
    ],
)
def test_redis_is_named_by_its_place_and_asks_for_the_password(url: str, place: str) -> None:
    assert redis_cli(url, *ORDER) == f"redis-cli {place} CONFIG SET maxmemory 1"


def test_no_list_of_processes_shows_the_password_although_the_shell_has_the_url(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = "redis://:pa%3Ass@cache:6379/0"
    monkeypatch.setenv("REDIS_URL", url)

    assert redis_cli(url, "PING") == "redis-cli -u redis://cache:6379/0 --askpass PING"


@pytest.mark.parametrize(
    ("command", "typed"),
    [
        ("broadcast unhalt", "docker compose exec worker broadcast unhalt"),
        (
            "celery a && celery b",
            "docker compose exec worker celery a && docker compose exec worker celery b",
        ),
        ("celery 'w &&  && x' y", "docker compose exec worker celery 'w &&  && x' y"),
        (
            "redis-cli -u redis://valkey PING",
            "docker compose exec valkey redis-cli -u redis://valkey PING",
        ),
        ("psql postgresql://x -c y", "docker compose exec postgres psql postgresql://x -c y"),
        ("sed -i s/a/b/ .env", "sed -i s/a/b/ .env"),
    ],
)
def test_in_compose_a_command_is_typed_beside_its_file(
    command: str, typed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert in_words(command) == command
    monkeypatch.setenv("BROADCAST_COMPOSE", "1")

    assert in_words(command) == typed


def in_words(command: str | None) -> str | None:
    return as_typed(of_fault(Fault.ACCOUNT_OFF, command=command)).command


def test_in_compose_a_full_valkey_is_given_more_by_its_settings_as_its_container_has_a_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    info = {"maxmemory": 100, "used_memory": 95}
    compose = (ROOT / "docker-compose.yml").read_text("utf-8")

    def full(url: str) -> Finding:
        (finding,) = redis_probe._of_info(info, "REDIS_URL", url)
        return finding

    assert full("redis://valkey/0").is_repairable
    monkeypatch.setenv("BROADCAST_COMPOSE", "1")
    finding = full("redis://:p@valkey:6379/0")

    assert finding.command is None
    for language in ("en", "zh"):
        named = re.findall(r"VALKEY_\w+", texts_of(finding, Texts(language))[1] or "")
        assert named == ["VALKEY_MAXMEMORY", "VALKEY_MEM_LIMIT"]
        assert all(f"${{{name}:-" in compose for name in named)
    assert full("redis://cache/0").is_repairable


@pytest.mark.parametrize("page", ["compose.md", "compose.zh.md"])
def test_with_the_alias_of_the_page_a_command_goes_to_the_container_as_doctor_types_it_or_not(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROADCAST_COMPOSE", "1")
    text = (ROOT / "docs" / page).read_text("utf-8")
    [alias] = re.findall(r"^alias broadcast=.*$", text, re.MULTILINE)
    command = "broadcast unhalt && broadcast note 'two words'"
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\nprintf "<%s>" "$@"\n', "ascii")
    docker.chmod(0o755)

    done = subprocess.run(
        ["bash", "-O", "expand_aliases", "-c", f"{alias}\n{command}\n{in_words(command)}\n"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )

    place = "<compose><exec><worker><broadcast>"
    assert done.stdout == f"{place}<unhalt>{place}<note><two words>" * 2


def test_the_commands_of_databases_ask_for_the_password() -> None:
    postgresql = make_url("postgresql+psycopg://app@db:5433/shop?sslpassword=hidden")
    mysql = make_url("mysql+pymysql://app@db/shop?charset=utf8mb4")
    socket = make_url("postgresql+psycopg://app@/shop?host=/run/postgresql")

    words = [
        shlex.split(sql(url.set(password=PASSWORD), "SELECT 'a b'", "SELECT 2"))
        for url in (postgresql, mysql, socket)
    ]

    place = "host=db dbname=shop user=app port=5433"
    assert words[0] == ["psql", place, "-c", "SELECT 'a b'", "-c", "SELECT 2"]
    assert words[1][:5] == ["mysql", "-h", "db", "-P", "3306"]
    assert words[1][-6:] == ["-u", "app", "-p", "shop", "-e", "SELECT 'a b'; SELECT 2"]
    assert words[2][1] == "dbname=shop user=app host=/run/postgresql"
    assert "hidden" not in str(words)
    assert PASSWORD not in str(words)


def test_a_command_goes_to_the_server_that_the_query_of_the_url_names_as_the_driver_does() -> None:
    def where(url: str) -> str:
        return sql(parse(url), "SELECT 1")

    postgresql = where("postgresql://u:p@/d?host=/run/pg&port=5433&sslmode=verify-full")
    assert "host=/run/pg port=5433 sslmode=verify-full" in postgresql
    assert "host=a,b port=5433,5432" in where("postgresql://u@/d?host=a:5433&host=b:5432")
    mysql = where("mysql://u:p@/d?unix_socket=/run/m&ssl_ca=/ca.pem")
    assert mysql == "mysql --socket=/run/m --ssl-ca=/ca.pem -u u -p d -e 'SELECT 1'"


def test_a_misspelt_setting_is_renamed_unless_the_right_one_stands_there_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = "BROADCAST_LANG=en\nBROADCAST_LANGAUGE=zh\nBROADCAST_LATE_BT=20m\n"
    (tmp_path / ".env").write_text(lines, "utf-8")
    (tmp_path / ".env").chmod(0o600)
    found: list[Finding] = []

    settings_probe.read(found)

    told = {one.what.facts["name"]: one for one in found if one.fault is Fault.MISSPELT}
    assert told["BROADCAST_LANGAUGE"].what.facts["near"] == "BROADCAST_LANG"
    assert told["BROADCAST_LANGAUGE"].command is None
    assert "BROADCAST_LATE_BY" in (told["BROADCAST_LATE_BT"].command or "")


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    ("fault", "error", "url", "service"),
    [
        (
            Fault.DATABASE_AWAY,
            DatabaseAwayError("error.database.away", cause="x", where=""),
            "postgresql+psycopg://app:p@postgres/broadcast",
            "postgres",
        ),
        (
            Fault.DATABASE_AWAY,
            DatabaseAwayError("error.database.away", cause="x", where=""),
            "mysql+pymysql://app:p@mysql:3306/broadcast",
            "mysql",
        ),
        (
            Fault.REDIS_AWAY,
            RedisAwayError("error.redis.away", address="valkey", reason="x"),
            "redis://:p@valkey:6379/0",
            "valkey",
        ),
        (
            Fault.BROKER_AWAY,
            BrokerAwayError("error.broker.away", reason="x"),
            "amqp://app:p@rabbitmq:5672//",
            "rabbitmq",
        ),
    ],
)
def test_in_compose_a_server_of_its_own_that_is_away_is_started_as_a_service(
    fault: Fault,
    error: OutOfReachError,
    url: str,
    service: str,
    language: Language,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert away(fault, error, url) == Finding(fault=fault, what=error.message)
    monkeypatch.setenv("BROADCAST_COMPOSE", "1")

    finding = away(fault, error, url)
    what = Texts(language)(finding.what)

    assert as_typed(finding).command == f"docker compose up --detach --wait {service}"
    assert "_URL" not in what
    assert "broadcast up" not in what
    assert away(fault, error, url.replace(service, f"{service}-2.lan")).starts is None


def test_in_compose_a_process_is_started_by_its_command_without_a_word_of_systemd(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lone = list(of_workers([], None, celery="celery", has_beat=False))
    found = [*lone, of_fault(Fault.PACKET, has_fix=True, command="mysql", found=1, least=2)]
    found.append(of_fault(Fault.WORKER_ELSEWHERE, has_fix=True, worker="w"))
    texts = Texts("en")
    fixes = [texts_of(as_typed(one), texts)[1] for one in found]
    monkeypatch.setenv("BROADCAST_COMPOSE", "1")

    assert [texts_of(as_typed(one), texts)[1] for one in found] == [None, None, *fixes[2:]]
    commands = [as_typed(one).command for one in lone]
    assert commands == [f"docker compose up --detach --wait {it}" for it in ("worker", "beat")]
    assert in_words(None) is None
    assert ["systemctl" in (fix or "") for fix in fixes] == [True, True, False, False]


def test_a_server_that_refuses_is_not_to_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROADCAST_COMPOSE", "1")
    refused = RedisAwayError("error.redis.refused", address="valkey", code="x")

    finding = away(Fault.REDIS_AWAY, refused, "redis://valkey/0")

    assert finding == Finding(fault=Fault.REDIS_AWAY, what=refused.message)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_command_of_an_administrator_says_so_and_what_a_restart_undoes(
    language: Language,
) -> None:
    texts = Texts(language)
    of_mysql = [
        DurabilityError(f"error.durability.{name}", found="2").message
        for name in ("innodb_flush_log_at_trx_commit", "sync_binlog")
    ]

    assert "postgres)" in texts(Message("error.durability.fsync", found="off")).replace("）", ")")
    for message in (*of_mysql, Message("fix.doctor.packet")):
        assert "root" in texts(message)
        assert "my.cnf" in texts(message)
    for name in ("redis_evicts", "redis_full"):
        assert "CONFIG" in texts(Message(f"fix.doctor.{name}"))
    for program in ("worker", "beat"):
        assert "docker" not in texts(Message(f"fix.doctor.no_{program}"))


def test_the_api_and_doctor_warn_of_the_same_open_files_and_of_none_of_docker(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    paths = [tmp_path / name / "keys" for name in ("secrets", "etc")]
    for path in paths:
        path.parent.mkdir()
        path.write_text("", "ascii")
        path.chmod(0o644)
    monkeypatch.setattr(settings_probe, "_OF_DOCKER", tmp_path / "secrets")
    settings: Any = Mock(api_keys_file=paths[0], webhook_secrets_file=paths[1])
    run: Any = Mock(settings=settings)

    api._warn(run, Mock(getsockname=lambda: ("127.0.0.1", 0)), [])

    run.warn.assert_called_once_with("api.open_file", path=paths[1])


def test_the_api_warns_of_plain_http_but_in_compose_which_publishes_it_on_the_loopback_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings: Any = Mock(api_keys_file=None, webhook_secrets_file=None)
    run: Any = Mock(settings=settings)
    listener: Any = Mock(getsockname=lambda: ("0.0.0.0", 0))

    api._warn(run, listener, [])
    monkeypatch.setenv("BROADCAST_COMPOSE", "1")
    api._warn(run, listener, [])

    run.warn.assert_called_once_with("api.plain_http", address="0.0.0.0")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "api_keys.emptied"),
        (b" \r\n", "api_keys.emptied"),
        ("key-0123456789abcdef".encode("utf-16"), "api_keys.file"),
        (b"short", "api_keys.form"),
        (b"# none\n", None),
        (b"key-0123456789abcdef\n", None),
    ],
)
def test_a_file_of_keys_that_is_empty_or_wrong_is_found_beside_another_wrong_file(
    content: bytes, problem: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "keys").write_bytes(content)
    (tmp_path / "keys").chmod(0o600)
    monkeypatch.setenv("BROADCAST_API_KEYS_FILE", "keys")
    monkeypatch.setenv("BROADCAST_NOTIFY_FILE", "gone")
    found: list[Finding] = []

    settings_probe.read(found)

    told = [one.what.id for one in found if one.fault is Fault.SETTINGS]
    wrong = [f"error.{problem}"] if problem else []
    assert told == ["error.settings.secret_file", *wrong]
