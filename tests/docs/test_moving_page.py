"""The page on moving is played with a real old script: nobody gets its message twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from broadcast.rules.states import BroadcastState
from tests.docs.stage import Stage
from tests.docs.test_pages import played
from tests.servers.valkey import Valkey


@pytest.mark.parametrize(
    ("name", "lang"),
    [
        ("docs/moving.md", "en"),
        pytest.param("docs/moving.zh.md", "zh", marks=pytest.mark.prove),
    ],
)
def test_what_the_old_script_left_is_sent_by_the_page_and_nobody_gets_it_twice(
    tmp_path: Path, valkey: Valkey, name: str, lang: str
) -> None:
    with Stage(tmp_path, valkey=valkey, lang=lang) as stage:
        wrong = played(stage, name)
        stage.until_state(BroadcastState.COMPLETED)
        people = (tmp_path / "list.txt").read_text("utf-8").split()
        got = stage.wechat.ledger_dump()

    assert not wrong, "\n\n".join(wrong)
    # Two messages: the loop's, whose rest went out from here, and the producer's.
    assert got == dict.fromkeys(people, 2)
