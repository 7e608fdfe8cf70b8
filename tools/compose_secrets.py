"""Make what docker-compose.yml reads from secrets/: `make compose-secrets`.

What is there stays. Needs Python alone: it runs before anything is installed.
"""

from __future__ import annotations

import base64
import getpass
import json
import os
import re
import secrets
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = "secrets"
#: What may be chosen, the usual first.
CHOICES = {"DATABASE": ("postgres", "mysql"), "BROKER": ("valkey", "rabbitmq")}
MYSQL_FILES = {"COMPOSE_FILE": "docker-compose.yml:docker-compose.mysql.yml"}
#: In a container another user reads them; on this machine the folder lets only its owner in.
MODE, FOLDER_MODE = 0o644, 0o700
#: A line of `.env`. The library for such files is not there yet.
_LINE = re.compile(
    r"""^[ \t]*(?:export[ \t]+)?(\w+)[ \t]*=[ \t]*
    (?:(["'])(.*?)\2|(.*?))
    [ \t]*(?:(?<=\s)\#.*)?$""",
    re.MULTILINE | re.VERBOSE,
)
CHINESE = os.environ.get("BROADCAST_LANG", "").startswith("zh")


def main(root: Path = ROOT) -> None:
    """Make what is missing; say where the login of Flower is."""
    for name, values in CHOICES.items():
        if (wanted := os.environ.get(name, "")) not in {"", *values}:
            sys.exit(f"{name}={wanted}: {' | '.join(values)}")
    folder = root / FOLDER
    # First, as it may ask or refuse.
    account = _kept(folder / "accounts.toml") or _account()
    folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
    folder.chmod(FOLDER_MODE)
    _write(folder / "accounts.toml", account)
    words = {
        name: _write(folder / name, secrets.token_hex(24))
        for name in ("postgres_password", "mysql_password", "valkey_password", "rabbitmq_password")
    }
    _write_api_keys(folder)
    _write_of_posts(folder)
    _write(folder / "flower_cookie_secret", secrets.token_hex(32))
    _write(folder / "grafana_password", secrets.token_urlsafe(18))
    _write(folder / "flower_login", f"ops:{secrets.token_urlsafe(18)}")
    redis = f"redis://:{words['valkey_password']}@valkey:6379/0"
    _write(folder / "redis_url", redis)
    databases = {
        "postgres": f"postgresql://broadcast:{words['postgres_password']}@postgres/broadcast",
        "mysql": f"mysql://broadcast:{words['mysql_password']}@mysql/broadcast",
    }
    _write_chosen(folder / "database_url", "DATABASE", databases)
    management = f"http://broadcast:{words['rabbitmq_password']}@rabbitmq:15672/api/"
    _write(folder / "broker_api", management)
    brokers = {
        "valkey": redis,
        "rabbitmq": f"amqp://broadcast:{words['rabbitmq_password']}@rabbitmq//",
    }
    _write_chosen(folder / "broker_url", "BROKER", brokers)
    files = MYSQL_FILES if _kept(folder / "database_url").startswith("mysql") else {}
    _forget(root / ".env", MYSQL_FILES)
    _note(root / ".env", {"COMPOSE_SECRETS": f"./{FOLDER}", **files, **_of_trial()})
    _note_profiles(root / ".env", "rabbitmq" if _kept(folder / "broker_url")[:4] == "amqp" else "")
    said = _in_words(
        f"Made: {FOLDER}/. Flower's login: {FOLDER}/flower_login. Next:\n"
        "    docker compose up --build --detach --wait",
        f"已生成：{FOLDER}/。Flower 的登录名和密码：{FOLDER}/flower_login。接下来：\n"
        "    docker compose up --build --detach --wait",
    )
    print(said)


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
        said = _in_words(
            "No account: set WECHAT_APPID and WECHAT_APPSECRET, or run it on a terminal; for a"
            " trial add SIMULATOR=1",
            "缺少公众号：请设置 WECHAT_APPID 和 WECHAT_APPSECRET，或在终端运行；试用加 SIMULATOR=1",
        )
        sys.exit(said)
    return str(answer)


def _write_api_keys(folder: Path) -> None:
    """Write a key of every right, and Prometheus' own, which may read alone."""
    scraper = _write(folder / "metrics_key", secrets.token_urlsafe(32))
    keys = _kept(folder / "api_keys") or secrets.token_urlsafe(32)
    if scraper not in keys:
        (folder / "api_keys").unlink(missing_ok=True)
        _write(folder / "api_keys", f"{keys}\nprometheus:read:{scraper}")


def _write_of_posts(folder: Path) -> None:
    """Write a secret that signs webhooks, and a file for addresses of notices, with none so far."""
    key = base64.b64encode(secrets.token_bytes(32)).decode("ascii")
    _write(folder / "webhook_secrets", f"whsec_{key}\n")
    comment = _in_words(
        "# Where notices go: one address a line (docs/notices.md).\n",
        "# 提醒发往的地址，每行一个（docs/notices.zh.md）。\n",
    )
    _write(folder / "notify", comment)


def _write_chosen(file: Path, name: str, urls: dict[str, str]) -> None:
    """Write the URL that the variable *name* chooses; without it what is there stays."""
    wanted = os.environ.get(name)
    if wanted:
        file.unlink(missing_ok=True)
    _write(file, urls[wanted or CHOICES[name][0]])


def _forget(file: Path, variables: dict[str, str]) -> None:
    """Remove lines from `.env` that this program has written."""
    written = {f"{name}={value}\n" for name, value in variables.items()}
    if file.is_file():
        lines = file.read_text("utf-8").splitlines(keepends=True)
        file.write_text("".join(line for line in lines if line not in written), "utf-8")


def _of_trial() -> dict[str, str]:
    if not os.environ.get("SIMULATOR"):
        return {}
    return {"WECHAT_API_BASE": "http://simulator:8080"}


def _note_profiles(file: Path, broker: str) -> None:
    """Name in `.env` the profiles without which the services do not start; one may be there."""
    needed = [name for name in ("simulator" * bool(os.environ.get("SIMULATOR")), broker) if name]
    if needed:
        _note(file, {"COMPOSE_PROFILES": ",".join(needed)})
    there = {one.strip() for one in _values(file).get("COMPOSE_PROFILES", "").split(",")}
    if missing := ",".join(name for name in needed if name not in there):
        said = _in_words(
            f"COMPOSE_PROFILES in .env does not name {missing}: add it.",
            f".env 的 COMPOSE_PROFILES 中没有 {missing}：请加上",
        )
        sys.exit(said)


def _kept(file: Path) -> str:
    return file.read_text("utf-8").strip() if file.is_file() else ""


def _write(file: Path, text: str) -> str:
    """Write a file unless it has something in it; return what it has."""
    if kept := _kept(file):
        return kept
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE), "wb") as new:
        new.write(text.encode())
    file.chmod(MODE)
    return text


def _note(file: Path, variables: dict[str, str]) -> None:
    """Add the variables to `.env` that it has not."""
    text = file.read_text("utf-8") if file.is_file() else ""
    has = _values(file)
    lines = [f"{name}={value}\n" for name, value in variables.items() if name not in has]
    gap = "\n" if text and not text.endswith("\n") else ""
    if lines:
        # A proxy may have a password.
        file.touch(mode=0o600)
        file.write_text(text + gap + "".join(lines), "utf-8")


def _values(file: Path) -> dict[str, str]:
    """Return the variables of `.env` as Compose reads them: the last of several lines counts."""
    found = _LINE.findall(_kept(file))
    return {name: quoted or plain for name, _, quoted, plain in found}


def _in_words(english: str, chinese: str) -> str:
    return chinese if CHINESE else english


if __name__ == "__main__":
    main()
