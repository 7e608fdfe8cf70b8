"""The page about `wechat` as a library is true: its code runs, alone, against WeChat's stand-in."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from broadcast import wechat
from broadcast.wechat import APIError, MassSend, Request, Session, TagsGet, WeChatClient, api
from tests.kit.processes import ROOT
from tests.kit.simulator import SimulatedAccount, Simulator

ACCOUNT = SimulatedAccount()
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
#: Ends with an error if any other package of ours was imported.
ALONE = """
import sys
ours = ("broadcast.", "entrypoints", "models", "producer", "simulator", "worker")
sys.exit(", ".join(name for name in sys.modules
                   if name.startswith(ours) and not name.startswith("broadcast.wechat")) or 0)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Simulator]:
    with Simulator((ACCOUNT,), followers=20, calls_per_minute=0) as running:
        yield running


@pytest.mark.parametrize("page", ["library.md", "library.zh.md"])
def test_the_code_of_the_page_runs_and_needs_no_other_package_of_ours(
    server: Simulator, page: str
) -> None:
    blocks = BLOCK.findall((ROOT / "docs" / page).read_text("utf-8"))
    environment = {
        "WECHAT_API_BASE": server.url,
        "WECHAT_APPID": ACCOUNT.appid,
        "WECHAT_APPSECRET": ACCOUNT.secret,
        "PYTHONPATH": str(ROOT),
        "PYTHONUTF8": "1",
    }

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join([*blocks, ALONE])],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert len(blocks) == 4
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("20 ")
    assert re.search(r"^0 \d{10,}$", done.stdout, re.MULTILINE)


def requests() -> set[str]:
    """Every request of `broadcast.wechat.api`, by its class."""
    modules = [
        importlib.import_module(f"broadcast.wechat.api.{one.name}")
        for one in pkgutil.iter_modules(api.__path__)
    ]
    return {
        name
        for module in modules
        for name, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, Request)
        and not inspect.isabstract(kind)
        and kind.__module__ == module.__name__
        and hasattr(kind, "path")
    }


@pytest.mark.parametrize("page", ["library.md", "library.zh.md"])
def test_every_endpoint_is_imported_from_the_package_and_named_on_the_page(page: str) -> None:
    text = (ROOT / "docs" / page).read_text("utf-8")

    assert len(requests()) > 25
    assert requests() - set(wechat.__all__) == set()
    assert {name for name in requests() if f"`{name}`" not in text} == set()


def test_every_name_of_the_package_is_there_and_others_are_not() -> None:
    assert sorted(wechat.__all__) == list(wechat.__all__)
    for name in wechat.__all__:
        assert getattr(wechat, name).__name__ == name
    assert (ROOT / "broadcast" / "wechat" / "py.typed").is_file()
    with pytest.raises(AttributeError):
        _ = wechat.MassSned  # type: ignore[attr-defined]


def session(server: Simulator, secret: str = ACCOUNT.secret) -> Session:
    client = WeChatClient(server.url)
    return Session(client, appid=ACCOUNT.appid, secret=SecretStr(secret))


def test_a_session_fetches_its_token_once_and_replaces_one_that_is_refused(
    server: Simulator,
) -> None:
    shop = session(server)
    path = "/cgi-bin/stable_token"
    before = len(server.calls(path=path))
    for _ in range(3):
        shop.call(TagsGet())
    assert len(server.calls(path=path)) == before + 1

    server.invalidate_token()
    shop.call(TagsGet())

    assert len(server.calls(path=path)) == before + 2


def test_a_mass_send_with_a_refused_token_is_made_again_by_its_caller_alone(
    server: Simulator,
) -> None:
    shop = session(server)
    shop.call(TagsGet())
    server.invalidate_token()
    openids = "".join(server.openids(2)).encode()
    text = {"msgtype": "text", "text": {"content": "hello"}}

    send = MassSend(openids=openids, content=text, clientmsgid="session-1")
    made = [shop.call(send).errcode, shop.call(send).errcode]

    assert made == [40001, 0]
    assert len(server.mass_calls(clientmsgid="session-1")) == 1


def test_a_wrong_secret_is_told_and_never_shown(server: Simulator) -> None:
    with pytest.raises(APIError) as caught:
        session(server, secret="not-the-secret-0123").call(TagsGet())

    assert caught.value.errcode in {40001, 40125}
    assert "not-the-secret" not in str(caught.value)
