"""The simulator's pushes, written apart from us: every mode and form, read, stored and answered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.callback.conftest import APPID, Served
from tests.kit.pushes import AES_KEY, TOKEN
from tests.kit.simulator import SimulatedAccount, Simulator
from tests.kit.wait import until

SAFE = "wx0000000000000002"
ACCOUNTS = (
    SimulatedAccount(name="plain", appid=APPID),
    SimulatedAccount(name="safe", appid=SAFE),
)


@pytest.fixture(scope="module")
def wechat() -> Iterator[Simulator]:
    """A simulator with the accounts of the server, and followers of theirs."""
    with Simulator(ACCOUNTS, followers=3) as simulator:
        yield simulator


def attempt(wechat: Simulator) -> dict[str, Any]:
    """The first attempt of the newest push, once it has ended."""
    until(lambda: wechat.pushes()[-1]["state"] not in {"waiting", "under way"}, 20, "its end")
    return dict(wechat.pushes()[-1]["attempts"][0])


@pytest.mark.parametrize("form", ["xml", "json"])
@pytest.mark.parametrize("mode", ["plain", "compatible", "safe"])
def test_a_keyword_and_its_answer(served: Served, wechat: Simulator, mode: str, form: str) -> None:
    name, appid = ("plain", APPID) if mode == "plain" else ("safe", SAFE)
    before = len(served.stored(name))
    url = f"{served.url}/wechat/{name}/callback"
    how = {"url": url, "token": TOKEN, "aes_key": AES_KEY, "mode": mode, "format": form}
    wechat.change_account(appid, callback=how)
    (openid,) = wechat.openids(1, appid=appid)

    body = {"openid": openid, "content": "退订"}
    wechat.admin("POST", f"accounts/{appid}/messages", body)
    answered = attempt(wechat)

    assert (answered["status"], answered["error"]) == (200, None)
    assert answered["reply"]["Content"].startswith("您已退订")
    assert answered["reply"]["ToUserName"] == openid
    *_, row = served.stored(name)
    assert len(served.stored(name)) == before + 1
    assert (row.kind, row.openid, row.action) == ("message.text", openid, "unsubscribe")


@pytest.mark.parametrize("mode", ["plain", "safe"])
def test_a_push_that_is_signed_with_another_token_is_given_up(
    served: Served, wechat: Simulator, mode: str
) -> None:
    name, appid = ("plain", APPID) if mode == "plain" else ("safe", SAFE)
    before = len(served.stored(name))
    url = f"{served.url}/wechat/{name}/callback"
    how = {"url": url, "token": "another", "aes_key": AES_KEY, "mode": mode}
    wechat.set_switches(push_repeat_after_s=0)
    wechat.change_account(appid, callback=how)
    (openid,) = wechat.openids(1, appid=appid)

    wechat.admin("POST", f"accounts/{appid}/messages", {"openid": openid, "content": "退订"})
    answered = attempt(wechat)

    assert answered["status"] == 403
    assert wechat.pushes()[-1]["state"] == "given up"
    assert len(served.stored(name)) == before
