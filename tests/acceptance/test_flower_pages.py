"""Flower in a real browser: which broadcast failed, why, the next command; and no name."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from broadcast import names
from tests.kit import foreign
from tests.kit.endpoints import MASS_SEND
from tests.kit.flower import LOGIN, Flower
from tests.kit.processes import ROOT
from tests.kit.wait import until
from tests.servers.proofs import not_proved

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System
    from tests.servers.valkey import Valkey

pytestmark = pytest.mark.prove

#: With any value the picture of the page for operators is taken anew.
UPDATE = "PICTURES_UPDATE"
PICTURE = ROOT / "docs" / "pictures" / "flower.png"
#: How much of the table is out of its frame, on a screen of 1280 pixels.
BEYOND = """
const frame = document.querySelector(".dt-scroll-body, .dataTables_scrollBody");
return frame.scrollWidth - frame.clientWidth;
"""
#: The words of rows that are broken, as long as there is a line for each.
BROKEN = """
const found = [];
for (const cell of document.querySelectorAll("#tasks-table td.overflow-auto")) {
    const walk = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
        for (const word of walk.currentNode.data.matchAll(/[!-~]*-[!-~]*/g)) {
            const range = document.createRange();
            range.setStart(walk.currentNode, word.index);
            range.setEnd(walk.currentNode, word.index + word[0].length);
            if (range.getClientRects().length > 1) found.push(word[0]);
        }
    }
}
return found;
"""
#: By account: the errcode of its second call, and what its row says of it.
REFUSALS = {
    "account1": (45028, "群发次数已用完"),
    "account2": (48001, "没有该接口权限"),
    "account3": (45008, "已自动暂停：微信拒绝了群发内容"),
}
BAD = "不认识字段 x"


@pytest.fixture
def browser() -> Iterator[Chrome]:
    """A Chromium without a window."""
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        not_proved("Flower in Chromium", "no chromium or chromedriver here")
    options = ChromeOptions()
    options.binary_location = program
    for word in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--window-size=1280,1220",
        "--force-device-scale-factor=0.7",
    ):
        options.add_argument(word)
    with Chrome(options=options, service=Service(driver)) as made:
        yield made


def rows_of(browser: Chrome, flower: Flower) -> list[str]:
    """Return the rows that the first page of tasks shows, the newest first."""
    # The browser keeps the last search of the page of tasks, whenever it draws it.
    browser.get(f"http://{LOGIN}@127.0.0.1:{flower.port}/broker")
    browser.execute_script("localStorage.clear()")
    browser.get(f"http://{LOGIN}@127.0.0.1:{flower.port}/tasks")

    def shown() -> list[str]:
        found = browser.find_elements(By.CSS_SELECTOR, "#tasks-table tbody tr")
        return [" ".join(row.text.split()) for row in found]

    return until(lambda: shown()[5:] and shown(), 15, "rows")


def searched(browser: Chrome, word: str) -> list[str]:
    """Type *word* as a person does, and return the rows that are shown in the end.

    Until three characters are typed Flower shows none.
    """
    end = word.rpartition("-")[2]

    def shown() -> list[str]:
        found = browser.find_elements(By.CSS_SELECTOR, "#tasks-table tbody tr")
        rows = [" ".join(row.text.split()) for row in found]
        return rows if all(end in row for row in rows) else []

    field = browser.find_element(By.CSS_SELECTOR, "#tasks-table_filter input, .dt-search input")
    field.clear()
    field.send_keys(word)
    return until(shown, 15, word)


def plant(system: System, broker: str) -> dict[str, str]:
    """Plant five failures; return the broadcasts, by account."""
    accounts = {one.name: one for one in system.simulator.accounts}
    for name, (errcode, _) in REFUSALS.items():
        system.simulator.fault(
            "errcode", errcode=errcode, path=MASS_SEND, appid=accounts[name].appid, skip=1, count=1
        )
    lost = {"path": MASS_SEND, "appid": accounts["account4"].appid}
    system.simulator.fault("drop", when="before", count=1, **lost)
    system.simulator.fault("errcode", errcode=40130, count=1, **lost)
    sent = {
        name: system.send(
            system.simulator.openids(6, appid=one.appid), "--account", name, status=0
        )["id"]
        for name, one in accounts.items()
    }
    with foreign.app_of(broker) as app:
        people = system.simulator.openids(6, appid=accounts["account1"].appid)
        foreign.enqueue(app, **foreign.request(people, key="k", account="account1", x=people[0]))
    return sent


def check(rows: list[str], sent: Mapping[str, str], system: System) -> None:
    """Find each planted failure in the rows: which, why, and the next command."""
    red = [row for row in rows if row.startswith("FAILURE")]
    for name, broadcast_id in sent.items():
        short = broadcast_id.rpartition("-")[2]
        (row,) = [row for row in red if f" {short} " in row]
        why = REFUSALS[name][1] if name in REFUSALS else "存疑：1 个批次"
        assert why in row
        told = system.broadcast("status", broadcast_id, status=None).stdout
        commands = [line.strip() for line in told.splitlines() if line.startswith("    broadcast ")]
        assert any(f"→ {command}" in row for command in commands), (row, commands)
    (letter,) = [row for row in red if names.ENQUEUE in row]
    assert BAD in letter
    assert "broadcast dead drop dead-" in letter


def pages(browser: Chrome, flower: Flower) -> dict[str, str]:
    """Return every page that Flower has, as the browser has it."""
    tasks = flower.json("tasks", limit="100")
    places = ["", "tasks", "broker", "worker/worker0@test", *(f"task/{one}" for one in tasks)]
    found = {}
    for place in places:
        browser.get(f"http://{LOGIN}@127.0.0.1:{flower.port}/{place}")
        found[place] = browser.page_source
    return {**found, "api": str(tasks), "workers": str(flower.json("workers", refresh="1"))}


def test_ops_find_what_failed_why_and_the_next_command_also_after_a_restart_of_flower(
    start_system: StartSystem, valkey: Valkey, browser: Chrome
) -> None:
    system = start_system(
        followers=6,
        accounts=4,
        BROADCAST_BATCH_SIZE="2",
        BROADCAST_LANG="zh",
        BROADCAST_WAIT_SCALE="0.001",
    )
    worker = system.worker()
    flower = Flower(system, FLOWER_BASIC_AUTH=LOGIN)
    system.beat()
    sent = plant(system, valkey.url)
    until(lambda: len(flower.json("tasks", state="FAILURE")) >= 5, 15, "five failures")
    rows = rows_of(browser, flower)
    check(rows, sent, system)
    assert all(row.split()[0] in {"FAILURE", "SUCCESS"} for row in rows)
    cells = browser.find_elements(By.CSS_SELECTOR, "#tasks-table td:nth-child(3)")
    assert {cell.value_of_css_property("white-space") for cell in cells} == {"normal"}
    browser.find_element(By.CSS_SELECTOR, "[data-task-state=FAILURE]").click()
    table = browser.find_element(By.ID, "tasks-table")
    until(lambda: "SUCCESS" not in table.text and "FAILURE" in table.text, 30, "red rows alone")
    assert browser.execute_script(BEYOND) == 0
    # What is copied is what was said, in whole words.
    assert browser.execute_script(BROKEN) == []
    shown = {
        cell.get_property("textContent")
        for cell in browser.find_elements(By.CSS_SELECTOR, "#tasks-table td:nth-child(3)")
    }
    assert shown == {one["exception"] for one in flower.json("tasks", state="FAILURE").values()}
    if os.environ.get(UPDATE):
        browser.save_screenshot(str(PICTURE))

    secrets = [LOGIN.partition(":")[2], *(one.secret for one in system.simulator.accounts)]
    people = [
        openid
        for one in system.simulator.accounts
        for openid in system.simulator.openids(6, appid=one.appid)
    ]
    for place, source in pages(browser, flower).items():
        assert not any(openid in source for openid in people), place
        assert not any(secret in source for secret in secrets[1:]), place
        assert "您好" not in source, place

    before = set(flower.json("tasks", limit="100"))
    flower.restart()
    woken = worker.output.count("Task broadcast.sweep[")
    until(lambda: worker.output.count("Task broadcast.sweep[") > woken + 4, 60, "idle sweeps")
    check(rows_of(browser, flower), sent, system)
    assert all(flower.json("tasks", search=broadcast_id) for broadcast_id in sent.values())
    # By the words of a reason as well, and a word of Chinese is short.
    for word in (sent["account1"], sent["account2"].rpartition("-")[2], "停用"):
        assert searched(browser, word)
    after = flower.json("tasks", limit="100")
    # With waits this short WeChat is asked for results all the time.
    assert {one["name"] for uuid, one in after.items() if uuid not in before} <= {
        names.POLL_ACCOUNT
    }
    assert before <= after.keys()
