"""An endpoint declares; the core does the rest."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING, Any

import pytest
import requests

from simulator.core.endpoint import Call, Endpoint
from simulator.core.errors import RefusalError
from simulator.endpoints import every_endpoint
from tests.kit.wait import until
from tests.simulator.expectations import refused
from tests.simulator.serving import ACCOUNT, served
from tests.simulator.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator

PATH = "/cgi-bin/test/echo"
OTHER_PATH = "/cgi-bin/test/echo/other"


class Seen:
    """What the checks of one call have noted."""

    def __init__(self, _call: Call) -> None:
        self.steps: list[str] = []


def step(name: str, errcode: int) -> Any:
    """A check that notes its name, and refuses a body that names it."""

    def check(call: Call) -> None:
        if call.message.get("refuse") == name:
            raise RefusalError(errcode)
        call.part(Seen).steps.append(name)

    return check


def echo(call: Call) -> dict[str, Any]:
    return {"appid": call.account.appid, "steps": call.part(Seen).steps, "word": call.message["w"]}


DECLARED = Endpoint(
    path=PATH,
    handler=echo,
    permissions=(step("permission", 48004),),
    offered=lambda _switches, account: account.kind != "test",
    daily_limit=3,
    per_minute=lambda _switches, account: account.calls_per_minute,
    checks=(step("first", 40003), step("second", 40007)),
)


@pytest.fixture
def wire() -> Iterator[Wire]:
    shared = Endpoint(path=OTHER_PATH, handler=echo, daily_limit=3, counter=lambda _s, _p: PATH)
    with served(DECLARED, shared) as url:
        wire = Wire(url, ACCOUNT)
        yield wire
        wire.close()


def admin(wire: Wire, method: str, path: str, body: Any = None) -> Any:
    answer = requests.request(method, f"{wire.url}/admin/{path}", json=body, timeout=240)
    assert answer.ok, answer.text
    return answer.json()


def used(wire: Wire) -> dict[str, int]:
    calls: dict[str, int] = admin(wire, "GET", "state")["accounts"][0]["used_today"]
    return calls


def test_the_handler_is_asked_after_every_check(wire: Wire) -> None:
    reply = wire.post(PATH, {"w": "一"})
    steps = ["permission", "first", "second"]
    assert reply == {"appid": ACCOUNT.appid, "steps": steps, "word": "一"}


def test_method_token_and_json_are_declared(wire: Wire) -> None:
    refused(wire.json("GET", PATH), 43002, "require POST method", section="9.2")
    refused(wire.json("POST", PATH), 41001, "access_token missing", section="1.3")
    refused(wire.post(PATH, b""), 44002, "empty post data", section="9.2")
    refused(wire.post(PATH, b"[]"), 47001, "data format error", section="9.2")


def test_checks_refuse_in_their_order(wire: Wire) -> None:
    assert wire.post(PATH, {"w": 1, "refuse": "second"})["errcode"] == 40007
    assert wire.post(PATH, {"w": 1, "refuse": "first"})["errcode"] == 40003
    assert wire.post(PATH, {"w": 1, "refuse": "permission"})["errcode"] == 48004
    assert used(wire)[PATH] == 2, "section 13: refused calls count, unless permission is lacking"


def test_a_refused_call_may_be_given_back(wire: Wire) -> None:
    admin(wire, "POST", "switches", {"rejected_calls_count": False})
    assert wire.post(PATH, {"w": 1, "refuse": "second"})["errcode"] == 40007
    wire.post(PATH, {"w": 1})
    assert used(wire)[PATH] == 1


def test_a_kind_of_account_may_lack_it(wire: Wire) -> None:
    admin(wire, "POST", f"accounts/{ACCOUNT.appid}", {"kind": "test"})
    refused(wire.post(PATH, {"w": 1}), 48001, "api unauthorized", section="5.1")
    assert wire.quota(PATH)["errcode"] == 76022


def test_the_daily_limit_is_counted_by_path(wire: Wire) -> None:
    """Section 5.2; quota/get knows what is declared."""
    for _ in range(3):
        assert wire.post(PATH, {"w": 1})["word"] == 1
    reply = wire.post(PATH, {"w": 1})
    refused(reply, 45009, "reach max api daily quota limit", section="5.2")
    assert wire.quota(PATH)["quota"] == {"daily_limit": 3, "used": 3, "remain": 0}
    assert used(wire)[PATH] == 3
    admin(wire, "POST", "clock", {"day_turns_in_s": -1})
    tomorrow = Wire(wire.url, ACCOUNT)
    assert tomorrow.post(PATH, {"w": 1})["word"] == 1
    tomorrow.close()


def test_two_endpoints_may_share_a_counter(wire: Wire) -> None:
    for _ in range(3):
        wire.post(PATH, {"w": 1})
    assert wire.post(OTHER_PATH, {"w": 1})["errcode"] == 45009
    assert wire.quota(OTHER_PATH)["quota"]["used"] == 3


def test_limit_and_counter_of_a_path_can_be_set(wire: Wire) -> None:
    change = {"daily_limits": {PATH: 10}, "used_today": {PATH: 9}}
    admin(wire, "POST", f"accounts/{ACCOUNT.appid}", change)
    assert wire.quota(PATH)["quota"] == {"daily_limit": 10, "used": 9, "remain": 1}
    assert wire.post(PATH, {"w": 1})["word"] == 1
    assert wire.post(PATH, {"w": 1})["errcode"] == 45009


def test_calls_a_minute_are_declared(wire: Wire) -> None:
    admin(wire, "POST", f"accounts/{ACCOUNT.appid}", {"calls_per_minute": 1})
    now = admin(wire, "GET", "state")["now"]
    admin(wire, "POST", "clock", {"advance_s": 60 - now % 60})
    assert wire.post(PATH, {"w": 1})["word"] == 1
    assert wire.post(PATH, {"w": 1})["errcode"] == 45011


def test_faults_and_journal_come_with_every_endpoint(wire: Wire) -> None:
    admin(wire, "POST", "faults", {"kind": "errcode", "errcode": -1, "path": PATH})
    assert wire.post(PATH, {"w": 1})["errcode"] == -1
    (call,) = admin(wire, "GET", f"calls?path={PATH}")["calls"]
    assert (call["appid"], call["errcode"], call["fault"]) == (
        ACCOUNT.appid,
        -1,
        "errcode -1 after",
    )


def test_what_no_page_limits_is_a_switch(wire: Wire) -> None:
    """Section 5.2: "not listed; ask quota/get"."""
    path = "/cgi-bin/message/mass/get"
    assert wire.quota(path)["quota"]["daily_limit"] == 100_000
    admin(wire, "POST", "switches", {"unlisted_daily_limit": None})
    assert wire.quota(path)["errcode"] == 76021


def test_a_call_is_let_go_at_its_end() -> None:
    """A body is 300 kB: it must not wait for a collection, though a part knows its call."""
    calls: list[weakref.ref[Call]] = []

    class Knowing:
        def __init__(self, call: Call) -> None:
            self.call = call

    def handler(call: Call) -> dict[str, Any]:
        calls.append(weakref.ref(call.part(Knowing).call))
        return {}

    with served(Endpoint(path=PATH, handler=handler)) as url:
        wire = Wire(url, ACCOUNT)
        assert wire.token
        gc.disable()
        try:
            wire.post(PATH, {})
            until(lambda: calls[0]() is None, 5, "the end of the call")
        finally:
            gc.enable()
        wire.close()


def test_every_family_is_found() -> None:
    paths = [endpoint.path for endpoint in every_endpoint()]
    assert len(paths) == len(set(paths))
    assert set(paths) >= {
        "/cgi-bin/token",
        "/cgi-bin/stable_token",
        "/cgi-bin/message/mass/send",
        "/cgi-bin/message/mass/sendall",
        "/cgi-bin/message/mass/get",
        "/cgi-bin/openapi/quota/get",
    }
