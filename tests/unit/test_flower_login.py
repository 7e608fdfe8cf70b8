"""Flower does not start with a login that a stranger guesses."""

from __future__ import annotations

from pathlib import Path

import pytest
from celery.events.state import Task

from broadcast.settings import environment
from worker import flower


@pytest.fixture(autouse=True)
def _changes_nothing_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flower, "_change_pages", lambda: None)
    monkeypatch.setattr(flower, "_write_log", lambda: None)
    monkeypatch.setenv("BROADCAST_LANG", "en")


@pytest.mark.parametrize(
    "login",
    [
        "ops:short",
        "ops:",
        "ops",
        "ops:ops-2026-broadcast",
        "user:password",
        "a:Gk2-uvW3x.Lq,admin:admin",
        "",
        "a:Gk2-uvW3x.Lq,",
        ",a:Gk2-uvW3x.Lq",
        ":Gk2-uvW3x.Lq",
    ],
)
def test_a_password_that_is_guessed_ends_the_start_in_one_line(
    login: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        flower.prepare(["celery", "-A", "worker", "flower"], {"FLOWER_BASIC_AUTH": login})

    assert end.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "FLOWER_BASIC_AUTH" in line
    assert login.partition(":")[2] in {"", "password"} or login not in line


@pytest.mark.parametrize(
    "words", [["--basic-auth="], ["--auth="], ["--basic-auth=", "--auth=.*@example.com"]]
)
def test_an_option_without_a_login_ends_the_start_in_one_line(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        flower.prepare(["celery", "-A", "worker", "flower", *words], {})

    assert end.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "FLOWER_BASIC_AUTH" in line


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FLOWER_READ_ONLY", "maybe"),
        ("FLOWER_PORT", "abc"),
        ("FLOWER_INSPECT_TIMEOUT", "soon"),
        ("FLOWER_PURGE_OFFLINE_WORKERS", "1d"),
    ],
)
def test_a_wrong_value_ends_the_start_in_one_line(
    name: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    right = {"FLOWER_BASIC_AUTH": "ops:Gk2-uvW3x.Lq", "FLOWER_NATURAL_TIME": "yes"}
    with pytest.raises(SystemExit) as end:
        flower.prepare(["celery", "-A", "worker", "flower"], {**right, name: value})

    assert end.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert name in line


@pytest.mark.parametrize("secret", ["secret", "Gk2-uvW3x.Lq", "0" * 32])
def test_a_secret_of_cookies_that_is_guessed_ends_the_start_in_one_line(
    secret: str, capsys: pytest.CaptureFixture[str]
) -> None:
    login = {"FLOWER_BASIC_AUTH": "ops:Gk2-uvW3x.Lq", "FLOWER_COOKIE_SECRET": secret}
    with pytest.raises(SystemExit) as end:
        flower.prepare(["celery", "-A", "worker", "flower"], login)

    assert end.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "FLOWER_COOKIE_SECRET" in line
    assert secret == "secret" or secret not in line


@pytest.mark.parametrize("name", environment.FLOWER_SECRETS)
def test_a_secret_that_stands_in_two_places_ends_the_start_in_one_line(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "secret").write_text("ops:Gk2-uvW3x.Lq", "ascii")
    both = {name: "ops:hF7!mmQ2-dd", f"{name}_FILE": str(tmp_path / "secret")}
    with pytest.raises(SystemExit) as end:
        flower.prepare(["celery", "-A", "worker", "flower"], both)

    assert end.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert f"{name} and {name}_FILE" in line


def test_without_an_address_it_listens_on_this_machine_alone() -> None:
    environ = {"FLOWER_BASIC_AUTH": "ops:Gk2-uvW3x.Lq"}
    other = {**environ, "FLOWER_ADDRESS": "10.0.0.2"}

    flower.prepare(["celery", "-A", "worker", "flower"], environ)
    flower.prepare(["celery", "-A", "worker", "flower"], other)

    assert environ["FLOWER_ADDRESS"] == "127.0.0.1"
    assert other["FLOWER_ADDRESS"] == "10.0.0.2"


def test_a_failed_task_has_the_time_that_it_took() -> None:
    failed = Task(uuid="1", started=10.0, failed=12.5, exception="a finding")
    waiting = Task(uuid="2", received=1.0)

    assert (flower._shown(failed).runtime, flower._shown(failed).result) == (2.5, "a finding")
    assert flower._shown(waiting).runtime is None


@pytest.mark.parametrize("login", ["ops:Gk2-uvW3x.Lq", "a:Gk2-uvW3x.Lq,b:correct horse battery"])
def test_a_password_that_nobody_guesses_is_taken(login: str) -> None:
    command, by_variable = ["celery", "-A", "worker", "flower"], {"FLOWER_BASIC_AUTH": login}
    by_option: dict[str, str] = {}
    flower.prepare(command, by_variable)
    flower.prepare([*command, f"--basic_auth={login}"], by_option)

    assert by_variable["FLOWER_READ_ONLY"] == by_option["FLOWER_READ_ONLY"] == "true"
