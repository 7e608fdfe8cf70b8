"""A client that knows HTTP and nothing else: what it expects is written in the tests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from tests.kit.simulator import SimulatedAccount

TIMEOUT_S = 120
RID = r" rid: [0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}"


class Wire:
    """Calls of one account. Replies come back as parsed JSON, after a look at the status."""

    def __init__(self, url: str, account: SimulatedAccount) -> None:
        self.url = url
        self.account = account
        self.session = requests.Session()
        self._token: str | None = None

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """One call; a path without a slash in front is below /cgi-bin/."""
        url = self.url + (path if path.startswith("/") else f"/cgi-bin/{path}")
        return self.session.request(
            method, url, timeout=options.pop("timeout", TIMEOUT_S), **options
        )

    def json(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """One call whose reply has status 200 and is JSON (section 0.1)."""
        reply = self.call(method, path, **options)
        assert reply.status_code == 200, "section 0.1: the HTTP status is always 200"
        return dict(json.loads(reply.content.decode("utf-8")))

    def classic(self, **changes: Any) -> dict[str, Any]:
        """GET token."""
        query = {
            "grant_type": "client_credential",
            "appid": self.account.appid,
            "secret": self.account.secret,
        }
        return self.json("GET", "token", params=query | changes)

    def stable(self, **changes: Any) -> dict[str, Any]:
        """POST stable_token."""
        body = {
            "grant_type": "client_credential",
            "appid": self.account.appid,
            "secret": self.account.secret,
        }
        return self.json("POST", "stable_token", json=body | changes)

    @property
    def token(self) -> str:
        """A stable token, fetched once."""
        if self._token is None:
            self._token = str(self.stable()["access_token"])
        return self._token

    def works(self, token: str) -> int:
        """The errcode of a harmless call with this token; 40059 means that it was let in."""
        reply = self.json(
            "POST", "message/mass/get", params={"access_token": token}, json={"msg_id": 1}
        )
        return int(reply["errcode"])

    def post(self, path: str, body: Any, **options: Any) -> dict[str, Any]:
        """POST a JSON body, or bytes as they are, with the token."""
        content = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        query = {"access_token": self.token}
        return self.json("POST", path, params=query, data=content, **options)

    def send(
        self, openids: Sequence[Any], text: str = "周五停机维护", /, **fields: Any
    ) -> dict[str, Any]:
        """POST message/mass/send with a text."""
        return self.post("message/mass/send", text_message(openids, text) | fields)

    def get(self, msg_id: int | str) -> dict[str, Any]:
        """POST message/mass/get."""
        return self.post("message/mass/get", {"msg_id": msg_id})

    def quota(self, path: str = "/cgi-bin/message/mass/send") -> dict[str, Any]:
        """POST openapi/quota/get."""
        return self.post("openapi/quota/get", {"cgi_path": path})

    def close(self) -> None:
        """Close its connections."""
        self.session.close()


def text_message(openids: Sequence[Any], text: str = "周五停机维护") -> dict[str, Any]:
    """A body for mass/send."""
    return {"touser": list(openids), "msgtype": "text", "text": {"content": text}}
