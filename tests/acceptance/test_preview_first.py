"""The question of a send offers a preview first: sent to one person, then it is asked again."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.conftest import sets_of
from tests.kit import media
from tests.kit.terminal import Shown, typed

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System

UPLOAD = "/cgi-bin/media/upload"
EDITOR = "editor_01"


@pytest.fixture
def system(start_system: StartSystem) -> System:
    """Twelve followers, one of whom gets previews; nobody sends yet."""
    made = start_system(followers=12, BROADCAST_PREVIEW_TO=EDITOR)
    made.simulator.change_account(wxnames={EDITOR: made.simulator.openids(1)[0]})
    (made.folder / "list.txt").write_text("\n".join(made.simulator.openids(12)), "ascii")
    (made.folder / "shop.jpg").write_bytes(media.picture())
    return made


def asked(system: System, words: str, *answers: str, lang: str = "en") -> Shown:
    environment = {**os.environ, **system.env, "BROADCAST_LANG": lang}
    return typed(
        f"broadcast send {words}", folder=system.folder, environment=environment, answers=answers
    )


def previews(system: System) -> list[dict[str, Any]]:
    return list(system.simulator.admin("GET", "previews")["previews"])


@pytest.mark.parametrize(
    ("lang", "key", "offered"),
    [
        ("en", "p", f"p: a preview to {EDITOR} first [y/N/p] p\n{EDITOR}: sent\n"),
        ("zh", "预览", f"先发预览给 {EDITOR}。[y/N/p] 预览\n{EDITOR}：已发送\n"),
    ],
)
def test_a_picture_is_looked_at_first_and_uploaded_once(
    system: System, lang: str, key: str, offered: str
) -> None:
    shown = asked(system, "--openids list.txt --image shop.jpg", key, "y", lang=lang)

    text = shown.text.replace("\n  ", " " if lang == "en" else "")
    assert offered in text
    assert shown.text.count("[y/N/p]") == 2
    assert shown.status == 0
    assert [one["wxname"] for one in previews(system)] == [EDITOR]
    assert len(system.simulator.calls(path=UPLOAD)) == 1
    system.worker()
    (report,) = system.all_reports()
    assert sets_of(system.until_state(report.id, "completed")) == {"accepted": 12}
    assert len(system.simulator.calls(path=UPLOAD)) == 1


def test_after_the_preview_a_no_stores_nothing(system: System) -> None:
    shown = asked(system, "--openids list.txt --text hello", "p", "p", "n")

    assert "Not sent. Nothing was stored." in shown.text
    assert len(previews(system)) == 2
    assert system.all_reports() == []


def test_a_preview_that_wechat_refuses_is_said_in_one_line_and_asked_again(
    system: System,
) -> None:
    system.simulator.change_account(wxnames={})

    shown = asked(system, "--openids list.txt --text hello", "p", "y")

    assert f"{EDITOR}: not sent. WeChat" in shown.text
    assert shown.text.count("[y/N/p]") == 2
    assert len(system.all_reports()) == 1


def test_where_nothing_can_be_uploaded_the_question_comes_again(system: System) -> None:
    system.simulator.fault("errcode", path=UPLOAD, errcode=45001)

    shown = asked(system, "--openids list.txt --image shop.jpg", "p", "n")

    assert "Warning: " in shown.text.partition("[y/N/p]")[2]
    assert previews(system) == []
    assert shown.text.count("[y/N/p]") == 2


def test_before_a_send_to_everybody_it_is_offered_beside_the_name(system: System) -> None:
    shown = asked(system, "--to-all --text hello", "p", "default")

    assert f"name to go on, or p for a preview to {EDITOR} first: p" in " ".join(shown.text.split())
    assert [one["wxname"] for one in previews(system)] == [EDITOR]
    assert len(system.all_reports()) == 1


def test_second_send_to_everybody_of_a_day_is_the_second_of_the_month_alone(
    system: System,
) -> None:
    asked(system, "--to-all --text hello", "default")

    second = " ".join(asked(system, "--to-all --text 'hello again'", "n").text.split())

    assert "It is message 2 of the 4 to everybody that WeChat allows" in second
    assert "already on the day" not in second
    assert "will refuse" not in second


def test_without_a_receiver_none_is_offered_and_p_is_no_yes(start_system: StartSystem) -> None:
    system = start_system(followers=2)
    (system.folder / "list.txt").write_text("\n".join(system.simulator.openids(2)), "ascii")

    shown = asked(system, "--openids list.txt --text hello", "p")

    assert "Not sent. Nothing was stored." in shown.text
    assert "preview" not in shown.text
    assert previews(system) == []


def test_two_receivers_or_none_are_refused_by_the_name_of_the_setting(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=2)
    system.env["BROADCAST_PREVIEW_TO"] = "editor_01,editor_02"

    done = system.broadcast("list", status=2)

    assert "BROADCAST_PREVIEW_TO must be one WeChat id" in done.stderr
    del system.env["BROADCAST_PREVIEW_TO"]
