"""The script of the quickstart lists every follower, in both languages the same."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from broadcast.settings.program_settings import Settings
from entrypoints.cli.embedded import embedded_parts
from tests.kit.processes import ROOT
from tests.servers.ports import LOOPBACK, free_port

PAGES = {
    "": {"total": 3, "count": 2, "data": {"openid": ["oONE", "oTWO"]}, "next_openid": "oTWO"},
    # The last page may name a next one, which is then empty.
    "oTWO": {"total": 3, "count": 1, "data": {"openid": ["oTHREE"]}, "next_openid": "oTHREE"},
    "oTHREE": {"total": 3, "count": 0, "next_openid": ""},
}
WORDS = {"en": "quickstart-wechat.md", "zh": "quickstart-wechat.zh.md"}


class Server(ThreadingHTTPServer):
    """Where it listens; *breaks* refuses every page but the first."""

    breaks = False


class WeChat(BaseHTTPRequestHandler):
    """Answers stable_token and user/get."""

    server: Server

    def do_POST(self) -> None:
        """Give a token to whoever knows the secret."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        right = (asked["appid"], asked["secret"]) == ("wx1", "the-secret")
        self._say({"access_token": "T"} if right else {"errcode": 40125, "errmsg": "invalid"})

    def do_GET(self) -> None:
        """Give the page after ``next_openid``."""
        asked = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        assert asked["access_token"] == ["T"]
        if self.server.breaks and asked["next_openid"] != [""]:
            self._say({"errcode": 45009, "errmsg": "reach max api daily quota limit"})
            return
        self._say(PAGES[asked.get("next_openid", [""])[0]])

    def _say(self, told: object) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(told).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def wechat() -> Iterator[Server]:
    """A WeChat with three followers."""
    with Server((LOOPBACK, 0), WeChat) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


WHOLE = "openid\noONE\noTWO\noTHREE\n"
BY_FILE = "WECHAT_APPID=wx1\nWECHAT_APPSECRET_FILE=secret\n"


def listed(
    folder: Path, lang: str, port: int, *, dotenv: str = BY_FILE
) -> tuple[int, str | None, str]:
    """Run the commands of the page; return the status, the list and the errors."""
    page = (ROOT / "docs" / WORDS[lang]).read_text(encoding="utf-8")
    [commands] = re.findall(r"```sh\n(cat > followers\.py.*?)```", page, re.DOTALL)
    (folder / "secret").write_text("the-secret\n", encoding="ascii")
    (folder / ".env").write_text(dotenv, "ascii")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    url = f"http://{LOOPBACK}:{port}"
    done = subprocess.run(
        ["sh", "-c", commands],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": path, "WECHAT_API_BASE": url},
        timeout=240,
    )
    made = folder / "followers.csv"
    assert done.stdout == ""
    return done.returncode, made.read_text("ascii") if made.exists() else None, done.stderr


@pytest.mark.parametrize("dotenv", [BY_FILE, "WECHAT_APPID=wx1\nWECHAT_APPSECRET=the-secret\n"])
@pytest.mark.parametrize("lang", sorted(WORDS))
def test_the_script_of_the_quickstart_lists_every_follower(
    tmp_path: Path, wechat: Server, lang: str, dotenv: str
) -> None:
    assert listed(tmp_path, lang, wechat.server_port, dotenv=dotenv) == (0, WHOLE, "")


@pytest.mark.parametrize(
    ("dotenv", "told"),
    [
        ("WECHAT_APPID=wx1\nWECHAT_APPSECRET=another\n", "stable_token: 40125 invalid\n"),
        ("WECHAT_APPID=wx1\n", "WECHAT_APPSECRET_FILE / WECHAT_APPSECRET: not set\n"),
        ("WECHAT_APPSECRET=the-secret\n", "WECHAT_APPID: not set\n"),
        (
            "WECHAT_APPID=wx1\nWECHAT_APPSECRET_FILE=gone\n",
            "WECHAT_APPSECRET_FILE: [Errno 2] No such file or directory: 'gone'\n",
        ),
    ],
)
def test_the_script_of_the_quickstart_tells_what_is_wrong_in_one_line(
    tmp_path: Path, wechat: Server, dotenv: str, told: str
) -> None:
    assert listed(tmp_path, "en", wechat.server_port, dotenv=dotenv) == (1, None, told)


def test_an_error_half_way_leaves_no_partial_list_and_an_older_one_as_it_was(
    tmp_path: Path, wechat: Server
) -> None:
    wechat.breaks = True
    first = listed(tmp_path, "en", wechat.server_port)
    wechat.breaks = False
    whole = listed(tmp_path, "en", wechat.server_port)
    wechat.breaks = True
    last = listed(tmp_path, "en", wechat.server_port)

    told = "user/get: 45009 reach max api daily quota limit\n"
    assert (first, whole, last) == ((1, None, told), (0, WHOLE, ""), (1, WHOLE, told))


def test_the_script_of_the_quickstart_shows_no_token_when_wechat_is_away(
    tmp_path: Path,
) -> None:
    assert listed(tmp_path, "en", free_port()) == (1, None, "stable_token: ConnectionError\n")


def test_both_languages_have_the_same_script_but_for_its_comments() -> None:
    texts = [(ROOT / "docs" / name).read_text(encoding="utf-8") for name in WORDS.values()]
    bare = [re.sub(r"^( *)#.*$", r"\1#", text, flags=re.MULTILINE) for text in texts]
    scripts = [re.findall(r"```sh\n(cat > followers\.py.*?)```", text, re.DOTALL) for text in bare]

    assert scripts[0] != []
    assert scripts[0] == scripts[1]


def test_both_languages_name_the_same_errors() -> None:
    codes = [
        re.findall(r"^\| ([\d、, ]+) \|", (ROOT / "docs" / name).read_text("utf-8"), re.MULTILINE)
        for name in WORDS.values()
    ]

    assert len(codes[0]) > 15
    assert codes[0] == [code.replace("、", ", ") for code in codes[1]]


@pytest.mark.parametrize("lang", sorted(WORDS))
def test_the_accounts_of_the_simulator_have_the_names_that_the_page_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lang: str
) -> None:
    page = (ROOT / "docs" / WORDS[lang]).read_text("utf-8")
    told = re.findall(
        r"^\*\*.*?`(broadcast \w+(?: --simulator)?)`.*?`(default|demo)`",
        page,
        re.MULTILINE | re.DOTALL,
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WECHAT_APPID", embedded_parts.LONE_ACCOUNT.appid)
    monkeypatch.setenv("WECHAT_APPSECRET", embedded_parts.LONE_ACCOUNT.appsecret.get_secret_value())
    [by_lines] = Settings().accounts()
    assert by_lines == embedded_parts.LONE_ACCOUNT.name

    assert told == [
        ("broadcast up --simulator", embedded_parts.TRIAL_ACCOUNT.name),
        ("broadcast simulator", by_lines),
    ]
