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
from urllib.parse import quote

ROOT = Path(__file__).resolve().parent.parent
FOLDER = "secrets"
#: What may be chosen, the usual first.
CHOICES = {"DATABASE": ("postgres", "mysql"), "BROKER": ("valkey", "rabbitmq")}
MYSQL_FILES = {"COMPOSE_FILE": "docker-compose.yml:docker-compose.mysql.yml"}
#: In a container another user reads them; on this machine the folder lets only its owner in.
MODE, FOLDER_MODE = 0o644, 0o700
#: Where each server is, of which the first is the usual one; `{}` is its password.
URLS = {
    "redis_url": {"valkey": "redis://:{}@valkey:6379/0"},
    "database_url": {
        "postgres": "postgresql://broadcast:{}@postgres/broadcast",
        "mysql": "mysql://broadcast:{}@mysql/broadcast",
    },
    "broker_url": {
        "valkey": "redis://:{}@valkey:6379/0",
        "rabbitmq": "amqp://broadcast:{}@rabbitmq//",
    },
    "broker_api": {"rabbitmq": "http://broadcast:{}@rabbitmq:15672/api/"},
}
SERVERS = ("postgres", "mysql", "valkey", "rabbitmq")
#: Before Prometheus' own key, which may read alone.
SCRAPER = "prometheus:read:"
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
    try:
        _make(root / FOLDER, root / ".env")
    except OSError as error:
        sys.exit(str(error))
    said = _in_words(
        f"Made: {FOLDER}/. Flower's login: {FOLDER}/flower_login. Next:\n"
        "    docker compose up --build --detach --wait",
        f"已生成：{FOLDER}/。Flower 的登录名和密码：{FOLDER}/flower_login。接下来：\n"
        "    docker compose up --build --detach --wait",
    )
    print(said)


def _make(folder: Path, env: Path) -> None:
    # What may ask or refuse comes first: then nothing is half made.
    _kept(env)
    texts = _texts(folder)
    folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
    folder.chmod(FOLDER_MODE)
    for name, text in texts.items():
        _write(folder / name, text)
    files = MYSQL_FILES if texts["database_url"].startswith("mysql") else {}
    _forget(env)
    _note(env, {"COMPOSE_SECRETS": f"./{FOLDER}", **files, **_of_trial()})
    if env.stat().st_mode & 0o077:
        # A proxy may have a password.
        env.chmod(0o600)
    _note_profiles(env, "rabbitmq" if texts["broker_url"].startswith("amqp") else "")


def _texts(folder: Path) -> dict[str, str]:
    """Return what each file is to have: what it has, else something new."""
    key = base64.b64encode(secrets.token_bytes(32)).decode("ascii")
    comment = _in_words(
        "# Where notices go: one address a line (docs/notices.md).\n",
        "# 提醒发往的地址，每行一个（docs/notices.zh.md）。\n",
    )
    new = {
        **{f"{server}_password": secrets.token_hex(24) for server in SERVERS},
        "flower_cookie_secret": secrets.token_hex(32),
        "flower_login": f"ops:{secrets.token_urlsafe(18)}",
        "grafana_password": secrets.token_urlsafe(18),
        "webhook_secrets": f"whsec_{key}\n",
        "notify": comment,
        "metrics_key": secrets.token_urlsafe(32),
        "api_keys": secrets.token_urlsafe(32),
    }
    kept = {name: _kept(folder / name) for name in (*new, *URLS, "accounts.toml")}
    texts = {name: kept[name] or text for name, text in new.items()}
    if texts["metrics_key"] not in texts["api_keys"]:
        # Prometheus' key of before goes: it would still be good.
        lines = texts["api_keys"].splitlines()
        others = [line for line in lines if not line.startswith(SCRAPER)]
        texts["api_keys"] = "\n".join([*others, SCRAPER + texts["metrics_key"]])
    for name in URLS:
        texts[name] = _url(name, kept, texts)
    texts["accounts.toml"] = kept["accounts.toml"] or _account()
    return texts


def _url(name: str, kept: dict[str, str], texts: dict[str, str]) -> str:
    """Return the URL that a variable chooses, else that which is there, with Valkey's password."""
    urls = {
        server: url.format(quote(texts[f"{server}_password"], safe=""))
        for server, url in URLS[name].items()
    }
    url = kept[name]
    for server, pattern in URLS[name].items():
        start, end = pattern.split("{}")
        if not (url.startswith(start) and url.endswith(end)):
            continue
        if server == "valkey":
            # Valkey takes its password from the file at each start.
            url = urls[server]
        elif not kept[f"{server}_password"]:
            file = f"{FOLDER}/{server}_password"
            said = _in_words(
                f"{file} is not there. The server keeps its first password: write into {file} the"
                f" one that stands in {FOLDER}/{name}.",
                f"缺少 {file}。服务器一直使用最初的密码：请把 {FOLDER}/{name} 中的密码写入 {file}",
            )
            sys.exit(said)
    variable = name.removesuffix("_url").upper()
    wanted = os.environ.get(variable) if variable in CHOICES else ""
    return urls[wanted] if wanted else url or next(iter(urls.values()))


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


def _forget(file: Path) -> None:
    """Remove from `.env` what was chosen before."""
    files = {f"{name}={value}\n" for name, value in MYSQL_FILES.items()}
    lines = [line for line in _lines(file) if line not in files]
    if os.environ.get("BROKER") == "valkey":
        lines = [_without_rabbitmq(line) for line in lines]
    if lines != _lines(file):
        file.write_text("".join(lines), "utf-8")


def _without_rabbitmq(line: str) -> str:
    name, _, value = line.partition("=")
    names = [one.strip() for one in value.split(",")]
    if name != "COMPOSE_PROFILES" or "rabbitmq" not in names:
        return line
    others = ",".join(one for one in names if one != "rabbitmq")
    return f"{name}={others}\n" if others else ""


def _lines(file: Path) -> list[str]:
    return file.read_text("utf-8").splitlines(keepends=True) if file.is_file() else []


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
    """Return what a file has. Nothing is made where it cannot be read."""
    try:
        return file.read_text("utf-8").strip()
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        sys.exit(_in_words(f"{file}: not in UTF-8", f"{file}：不是 UTF-8 编码"))


def _write(file: Path, text: str) -> None:
    """Write a file unless it has that text; let the containers read it."""
    if _kept(file) != text.strip():
        file.unlink(missing_ok=True)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE), "wb") as new:
            new.write(text.encode())
    # What a link names may lie in a folder that others enter.
    if not file.is_symlink() and not file.stat().st_mode & 0o004:
        file.chmod(MODE)


def _note(file: Path, variables: dict[str, str]) -> None:
    """Add the variables to `.env` that it has not."""
    text = file.read_text("utf-8") if file.is_file() else ""
    has = _values(file)
    lines = [f"{name}={value}\n" for name, value in variables.items() if name not in has]
    gap = "\n" if text and not text.endswith("\n") else ""
    if lines:
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
