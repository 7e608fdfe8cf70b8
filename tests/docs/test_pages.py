"""What the pages for operators say is what a terminal shows, command by command."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sybil.example import SybilFailure

from tests.docs.pages import Play, rewritten
from tests.docs.stage import Stage
from tests.kit.clock import Clock
from tests.kit.processes import ROOT
from tests.servers.valkey import Valkey

#: Of the longest pages, half a minute each, `make prove` plays the second language.
PAGES = (
    ("README.md", "en"),
    pytest.param("README.zh.md", "zh", marks=pytest.mark.prove),
    ("docs/quickstart-wechat.md", "en"),
    ("docs/quickstart-wechat.zh.md", "zh"),
    ("docs/campaigns.md", "en"),
    ("docs/campaigns.zh.md", "zh"),
    ("docs/production.md", "en"),
    pytest.param("docs/production.zh.md", "zh", marks=pytest.mark.prove),
    ("docs/operating.md", "en"),
    pytest.param("docs/operating.zh.md", "zh", marks=pytest.mark.prove),
)
#: With any value the pages are rewritten: `make docs-update`.
UPDATE = "DOCS_UPDATE"


@pytest.mark.parametrize(("name", "lang"), PAGES)
def test_every_command_of_a_page_shows_what_the_page_says(
    tmp_path: Path, valkey: Valkey, name: str, lang: str
) -> None:
    with Stage(tmp_path, valkey=valkey, lang=lang, clock=Clock(tmp_path)) as stage:
        wrong = played(stage, name)

    assert not wrong, "\n\n".join(wrong)


def played(stage: Stage, name: str) -> list[str]:
    """Play a page; return where it says something else than the terminal."""
    page = ROOT / name
    wrong: list[str] = []
    play = Play(stage=stage)
    for example in play.document(page):
        try:
            example.evaluate()
        except SybilFailure as failure:
            wrong.append(str(failure))
    if os.environ.get(UPDATE) and play.renewed:
        page.write_text(rewritten(page.read_text("utf-8"), play.renewed), "utf-8")
    return wrong
