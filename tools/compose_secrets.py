"""Make what docker-compose.yml reads from secrets/: `make compose-secrets`.

What is there stays. Needs Python alone: it runs before anything is installed.
"""

from __future__ import annotations

import getpass
import json
import os
import secrets
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = "secrets"
BROKERS = ("", "valkey", "rabbitmq")
#: In a container another user reads them; on this machine the folder lets only its owner in.
MODE, FOLDER_MODE = 0o444, 0o700
CHINESE = os.environ.get("BROADCAST_LANG", "").startswith("zh")


def main(root: Path = ROOT) -> None:
    """Make what is missing; say where the login of Flower is."""
    if (wanted := os.environ.get("BROKER", "")) not in BROKERS:
        sys.exit(f"BROKER={wanted}: valkey | rabbitmq")
    folder = root / FOLDER
    folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
    folder.chmod(FOLDER_MODE)
    # First, as it may ask or refuse.
    account = _kept(folder / "accounts.toml") or _account()
    _write(folder / "accounts.toml", account)
    words = {
        name: _write(folder / name, secrets.token_hex(24))
        for name in ("postgres_password", "valkey_password", "rabbitmq_password")
    }
    _write(folder / "api_keys", secrets.token_urlsafe(32))
    _write(folder / "flower_cookie_secret", secrets.token_hex(32))
    _write(folder / "flower_login", f"ops:{secrets.token_urlsafe(18)}")
    database = f"postgresql://broadcast:{words['postgres_password']}@postgres/broadcast"
    redis = f"redis://:{words['valkey_password']}@valkey:6379/0"
    _write(folder / "database_url", database)
    _write(folder / "redis_url", redis)
    _write_broker(folder / "broker_url", redis, words["rabbitmq_password"])
    _note(root / ".env", {"COMPOSE_SECRETS": f"./{FOLDER}", **_of_trial()})
    _say(
        f"Made: {FOLDER}/. Flower's login: {FOLDER}/flower_login. Next:\n"
        "    docker compose up --build --detach --wait",
        f"已生成：{FOLDER}/。Flower 的登录名和密码：{FOLDER}/flower_login。接下来：\n"
        "    docker compose up --build --detach --wait",
    )


def _account() -> str:
    """Return the accounts file: of a trial, of the environment, or as a person answers."""
    if os.environ.get("SIMULATOR"):
        appid, secret = "wx0000000000000001", secrets.token_hex(16)
    else:
        appid = os.environ.get("WECHAT_APPID") or _ask("AppID: ", input)
        secret = os.environ.get("WECHAT_APPSECRET") or _ask("AppSecret: ", getpass.getpass)
    # A string of JSON is one of TOML.
    return f"[accounts.default]\nappid = {json.dumps(appid)}\nappsecret = {json.dumps(secret)}\n"


def _ask(prompt: str, ask: object) -> str:
    answer = ask(prompt).strip() if sys.stdin.isatty() and callable(ask) else ""
    if not answer:
        sys.exit(
            "缺少公众号：请设置 WECHAT_APPID 和 WECHAT_APPSECRET，或在终端运行；试用加 SIMULATOR=1"
            if CHINESE
            else "No account: set WECHAT_APPID and WECHAT_APPSECRET, or run it on a terminal; for a"
            " trial add SIMULATOR=1"
        )
    return str(answer)


def _write_broker(file: Path, redis: str, password: str) -> None:
    """Write the broker's URL: as BROKER says, else as it is, else that of Valkey."""
    wanted = os.environ.get("BROKER")
    if wanted:
        file.unlink(missing_ok=True)
    _write(file, f"amqp://broadcast:{password}@rabbitmq//" if wanted == "rabbitmq" else redis)


def _of_trial() -> dict[str, str]:
    if not os.environ.get("SIMULATOR"):
        return {}
    return {"WECHAT_API_BASE": "http://simulator:8080", "COMPOSE_PROFILES": "simulator"}


def _kept(file: Path) -> str:
    return file.read_text("utf-8").strip() if file.is_file() else ""


def _write(file: Path, text: str) -> str:
    """Write a file unless it has something in it; return what it has."""
    if kept := _kept(file):
        return kept
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE), "w") as new:
        new.write(text)
    file.chmod(MODE)
    return text


def _note(file: Path, variables: dict[str, str]) -> None:
    """Add the variables to `.env` that it has not."""
    text = file.read_text("utf-8") if file.is_file() else ""
    has = {line.partition("=")[0].strip() for line in text.splitlines()}
    lines = [f"{name}={value}\n" for name, value in variables.items() if name not in has]
    gap = "\n" if text and not text.endswith("\n") else ""
    if lines:
        file.write_text(text + gap + "".join(lines), "utf-8")


def _say(english: str, chinese: str) -> None:
    print(chinese if CHINESE else english)


if __name__ == "__main__":
    main()
