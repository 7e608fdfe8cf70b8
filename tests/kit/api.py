"""The HTTP API as its own process, and a program that asks it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from tests.kit import documented
from tests.kit.processes import RunningProcess, python_module
from tests.servers.ports import LOOPBACK, free_port

READY = "api ready "
#: Of every scope, for every account.
KEY = "key-of-every-scope-0123456789"
TEXT = {"msgtype": "text", "text": {"content": "您好，周五停机"}}
TIMEOUT_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """Another program, with a key."""

    url: str
    key: str | None = KEY
    session: requests.Session = field(default_factory=requests.Session)
    #: Whether each answer must be as the document says; a measurement pays for nothing else.
    checks: bool = True

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> requests.Response:
        """Send one request; *body* as JSON."""
        sent = {"Accept-Language": "en", **(headers or {})}
        if self.key is not None:
            sent.setdefault("Authorization", f"Bearer {self.key}")
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
            options["data"] = json.dumps(body).encode()
        answer = self.session.request(
            method, self.url + path, headers=sent, timeout=TIMEOUT_S, **options
        )
        if self.checks:
            documented.check(method, path, answer)
        return answer

    def submit(
        self, openids: Sequence[str], *, key: str, content: object = None, **members: object
    ) -> requests.Response:
        """Submit a broadcast to a list."""
        body = {"content": content or TEXT, "audience": {"openids": list(openids)}, **members}
        return self.ask("POST", "/v1/broadcasts", body, headers={"Idempotency-Key": key})

    def get(self, path: str, **parameters: object) -> requests.Response:
        """Look at something."""
        return self.ask("GET", path, params=parameters)

    def pages(self, path: str, **parameters: object) -> list[dict[str, Any]]:
        """Read a list to its end."""
        pages: list[dict[str, Any]] = [self.get(path, **parameters).json()]
        while pages[-1]["next"] is not None:
            pages.append(self.get(path, cursor=pages[-1]["next"], **parameters).json())
        return pages


def people(count: int, *, seed: str = "") -> list[str]:
    """So many OpenIDs; those of another seed are others."""
    digest = hashlib.sha256(seed.encode()).hexdigest()[:12]
    return [f"oApi{digest}{n:012}" for n in range(count)]


def nobody() -> dict[str, str | None]:
    """Settings by which neither Redis, broker nor WeChat is there."""
    away = f"{LOOPBACK}:{free_port()}"
    return {"REDIS_URL": f"redis://{away}/0", "WECHAT_API_BASE": f"http://{away}"}


def settings(url: str) -> dict[str, str | None]:
    """The environment of an API on this database, with one account and one key."""
    return {
        "DATABASE_URL": url,
        "BROADCAST_LANG": "en",
        "BROADCAST_API_KEYS": KEY,
        "WECHAT_APPID": "wx0000000000000001",
        "WECHAT_APPSECRET": "appsecret-of-the-tests",
        **nobody(),
    }


def started(folder: Path, env: Mapping[str, str | None], *words: str) -> RunningProcess:
    """Start an API and wait until it is ready."""
    command = python_module("entrypoints.cli.main", "api", *(words or ("--port", "0")))
    log = folder / f"api{len(list(folder.glob('api*.log')))}.log"
    process = RunningProcess(command, log=log, env=dict(env), cwd=folder, warm=True)
    try:
        process.wait_for_line(READY, timeout_s=30)
    except AssertionError:
        process.kill()
        raise
    return process


def url_of(process: RunningProcess) -> str:
    """Where it listens."""
    return process.output.rsplit(READY, 1)[1].split()[0]
