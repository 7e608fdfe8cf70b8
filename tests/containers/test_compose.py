"""docker-compose.yml, started for real: a broadcast while its services die one after the other."""

from __future__ import annotations

import json
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.containers.stack import Stack, docker
from tests.kit.dumps import SHELL, restoring
from tests.kit.wait import until

pytestmark = [pytest.mark.prove, pytest.mark.timeout(1800)]

PEOPLE = 300_000
#: For a command inside the container of Valkey.
LOGIN = "REDISCLI_AUTH=$(cat /run/secrets/valkey_password)"
CONTENT = {"msgtype": "text", "text": {"content": "Opening on Friday"}}
KILLED = ("worker", "beat", "valkey", "postgres", "api", "callback", "flower")


def test_each_service_may_be_killed_while_a_broadcast_goes_out_and_nobody_gets_it_twice(
    stack: Stack,
) -> None:
    before = stack.ledger()["deliveries"]
    body = {"account": "default", "audience": {"upload": True}, "content": CONTENT}
    stored = stack.ask_api("POST", "broadcasts", json=body, headers={"Idempotency-Key": "opening"})
    stack.ask_api(
        "PUT",
        f"broadcasts/{stored['id']}/audience",
        data=stack.openids(PEOPLE).encode(),
        headers={"Content-Type": "text/plain"},
    )

    for service in KILLED:
        until(lambda: stack.ledger()["deliveries"] > before, 60, "the first calls")
        assert stack.ledger()["deliveries"] < before + PEOPLE
        with stack.timed(f"{service} killed, healthy again after"):
            stack.kill(service)
            stack.wait_for(service)
    for service in KILLED:
        assert stack.ledger()["deliveries"] < before + PEOPLE
        with stack.timed(f"{service} stopped and started, healthy after"):
            stack.compose("stop", service)
            assert stack.exit_status(service) == 0, service
            stack.compose("up", "--detach", "--no-build", "--no-deps", "--wait", service)

    stack.exec("worker", "broadcast", "watch", stored["id"])
    until(
        lambda: stack.ledger()["delivered_distinct"] == before + PEOPLE, 120, "everybody to have it"
    )
    assert stack.ledger()["doubled"] == 0
    # A container that is made anew, as by `docker compose down` and `up`, has the volume alone.
    anew = ("--no-build", "--no-deps", "--force-recreate", "--renew-anon-volumes", "--wait")
    stack.compose("up", "--detach", *anew, "postgres", "valkey")
    # It ends with another status where a check fails.
    stack.exec("worker", "broadcast", "audit", stored["id"])


def test_a_dump_that_was_restored_sends_nothing_before_a_person_says_what_it_is(
    stack: Stack,
) -> None:
    others = "".join(stack.openids(PEOPLE + 1000).splitlines(keepends=True)[PEOPLE:])
    [dump, *_] = stack.exec("backup", "ls", "/backups").split()
    text = ("--text", "After the dump", "--yes")
    stack.exec("worker", "broadcast", "send", "--openids", "-", *text, stdin=others)
    stack.exec("worker", "broadcast", "watch", "@last")
    calls = stack.ledger()["deliveries"]

    stack.compose("stop", "worker", "beat", "api")
    stack.exec("backup", *SHELL, restoring("pg_restore", f"/backups/{dump}"))
    stack.compose("up", "--detach", "--no-build", "--wait")
    stack.exec("worker", "broadcast", "send", "--openids", "-", *text, stdin=others)
    until(lambda: "broadcast restored" in stack.exec("worker", "broadcast", "status"), 60, "a stop")
    assert stack.ledger()["deliveries"] == calls

    since = dump.removeprefix("broadcast-").removesuffix(".dump")
    moment = datetime.strptime(since, "%Y%m%dT%H%M%S%z").isoformat()
    stack.exec("worker", "broadcast", "restored", "--since", moment, "--yes")
    stack.exec("worker", "broadcast", "cancel", "@last")
    stack.wait_for("worker")


def test_doctor_names_commands_that_repair_from_beside_the_compose_file(stack: Stack) -> None:
    # A restored database does not know each call of today.
    before = {one["id"] for one in stack.doctor()}
    assert before <= {"other_program"}
    stack.compose("stop", "beat")
    stack.exec("valkey", "sh", "-c", f"{LOGIN} valkey-cli CONFIG SET maxmemory-policy allkeys-lru")
    found = {one["id"]: one["command"] for one in stack.doctor() if one["id"] not in before}
    assert set(found) == {"no_beat", "redis_evicts"}

    password = (stack.folder / "secrets" / "valkey_password").read_text("ascii")
    for command in found.values():
        without_terminal = command.replace("compose exec", "compose exec --no-TTY")
        subprocess.run(
            ["sh", "-c", without_terminal],
            cwd=stack.folder,
            input=password,
            text=True,
            check=True,
            timeout=120,
        )

    until(lambda: {one["id"] for one in stack.doctor()} <= before, 60, "a healthy stack")


def test_a_full_valkey_gets_more_by_the_settings_that_doctor_names(stack: Stack) -> None:
    stack.exec("valkey", "sh", "-c", f"{LOGIN} valkey-cli CONFIG SET maxmemory 1mb")
    [full] = [one for one in stack.doctor() if one["id"] == "redis_full"]
    assert (full["command"], full["repairable"]) == (None, False)
    dotenv = stack.folder / ".env"
    before = dotenv.read_text("ascii")

    dotenv.write_text(f"{before}VALKEY_MAXMEMORY=480mb\nVALKEY_MEM_LIMIT=1200m\n", "ascii")
    command = full["fix"][full["fix"].index("docker compose") :]
    subprocess.run(["sh", "-c", command], cwd=stack.folder, check=True, timeout=120)

    most = stack.exec("valkey", "sh", "-c", f"{LOGIN} valkey-cli CONFIG GET maxmemory").split()
    assert most == ["maxmemory", str(480 * 1024**2)]
    assert "redis_full" not in {one["id"] for one in stack.doctor()}
    dotenv.write_text(before, "ascii")
    stack.compose("up", "--detach", "--no-build", "--wait")


def test_flower_knows_neither_the_appsecret_nor_the_database(stack: Stack) -> None:
    there = stack.exec("flower", "sh", "-c", "ls /run/secrets; env")

    assert "accounts" not in there
    assert "database" not in there.lower()


def test_a_callback_without_a_token_says_so_once_and_is_not_started_over_and_over(
    stack: Stack,
) -> None:
    accounts = stack.folder / "secrets" / "accounts.toml"
    whole = accounts.read_text("ascii")
    accounts.write_text(re.sub("callback_token.*\n", "", whole), "ascii")
    since = datetime.now(UTC).isoformat()

    stack.compose("restart", "callback")

    until(lambda: stack.states()["callback"] == "running unhealthy", 180, "it to be unhealthy")
    said = stack.compose("logs", "--no-color", "--since", since, "callback")
    assert said.count("No account has a callback token") == 1
    accounts.write_text(whole, "ascii")
    stack.compose("restart", "callback")
    stack.wait_for("callback")


def test_no_container_may_write_but_where_its_data_is(stack: Stack) -> None:
    for service in ("worker", "beat", "flower", "api", "simulator"):
        # Flower keeps what it saw.
        elsewhere = "/app/x" if service == "flower" else "/app/x /var/lib/broadcast/x"
        said = stack.exec(service, "sh", "-c", f"touch {elsewhere} 2>&1; true")
        assert said.count("Read-only file system") == len(elsewhere.split()), service


def test_without_its_secrets_compose_names_the_command_that_makes_them(
    stack: Stack, tmp_path: Path
) -> None:
    (tmp_path / "docker-compose.yml").write_bytes(
        (stack.folder / "docker-compose.yml").read_bytes()
    )

    refused = subprocess.run(
        ["docker", "compose", "config"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert refused.returncode != 0
    assert "make compose-secrets" in refused.stderr


def test_the_limits_and_rights_of_every_service_are_set(stack: Stack) -> None:
    services = json.loads(stack.compose("config", "--format", "json"))["services"]

    assert all(int(one["mem_limit"]) > 0 for one in services.values())
    assert all(one["cap_drop"] == ["ALL"] for one in services.values())
    assert all("no-new-privileges:true" in one["security_opt"] for one in services.values())
    assert docker("info", "--format", "{{.OSType}}") == "linux\n"
