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

from tests.kit.processes import ROOT
from tests.servers.ports import LOOPBACK

PAGES = {
    "": {"total": 3, "count": 2, "data": {"openid": ["oONE", "oTWO"]}, "next_openid": "oTWO"},
    # The last page may name a next one, which is then empty.
    "oTWO": {"total": 3, "count": 1, "data": {"openid": ["oTHREE"]}, "next_openid": "oTHREE"},
    "oTHREE": {"total": 3, "count": 0, "next_openid": ""},
}
WORDS = {"en": "quickstart-wechat.md", "zh": "quickstart-wechat.zh.md"}


class WeChat(BaseHTTPRequestHandler):
    """Answers stable_token and user/get."""

    def do_POST(self) -> None:
        """Give a token to whoever knows the secret."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        right = (asked["appid"], asked["secret"]) == ("wx1", "the-secret")
        self._say({"access_token": "T"} if right else {"errcode": 40125, "errmsg": "invalid"})

    def do_GET(self) -> None:
        """Give the page after ``next_openid``."""
        asked = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        assert asked["access_token"] == ["T"]
        self._say(PAGES[asked.get("next_openid", [""])[0]])

    def _say(self, told: object) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(told).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def wechat() -> Iterator[str]:
    """The URL of a WeChat with three followers."""
    with ThreadingHTTPServer((LOOPBACK, 0), WeChat) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://{LOOPBACK}:{server.server_port}"
        server.shutdown()
        thread.join()


def listed(folder: Path, lang: str, wechat: str, *, secret: str) -> tuple[int, str, str]:
    """Run the commands of the page; return the status, the list and the errors."""
    page = (ROOT / "docs" / WORDS[lang]).read_text(encoding="utf-8")
    [commands] = re.findall(r"```\n(cat > followers\.py.*?)```", page, re.DOTALL)
    (folder / "secret").write_text(f"{secret}\n", encoding="ascii")
    (folder / ".env").write_text("WECHAT_APPID=wx1\nWECHAT_APPSECRET_FILE=secret\n", "ascii")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-c", commands], cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "PATH": path, "WECHAT_API_BASE": wechat}, timeout=60,
    )  # fmt: skip
    return done.returncode, (folder / "followers.csv").read_text("ascii"), done.stderr


@pytest.mark.parametrize("lang", sorted(WORDS))
def test_the_script_of_the_quickstart_lists_every_follower(
    tmp_path: Path, wechat: str, lang: str
) -> None:
    assert listed(tmp_path, lang, wechat, secret="the-secret") == (
        0, "openid\noONE\noTWO\noTHREE\n", "",
    )  # fmt: skip


def test_the_script_of_the_quickstart_tells_what_wechat_refuses(
    tmp_path: Path, wechat: str
) -> None:
    status, _, errors = listed(tmp_path, "en", wechat, secret="another")

    assert (status, errors) == (1, "40125 invalid\n")


def test_both_languages_name_the_same_errors() -> None:
    codes = [
        re.findall(r"^\| ([\d、, ]+) \|", (ROOT / "docs" / name).read_text("utf-8"), re.MULTILINE)
        for name in WORDS.values()
    ]

    assert len(codes[0]) > 15
    assert codes[0] == [code.replace("、", ", ") for code in codes[1]]
