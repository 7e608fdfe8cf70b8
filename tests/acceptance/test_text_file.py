"""``--text-file``: a post has paragraphs, which a shell's line hardly takes."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import Engine, select

from models.broadcast_tables import BroadcastRow
from tests.kit.command_line import CommandLine

POST = "周五 20:00 直播\n\n回复 1 预约"


@pytest.mark.parametrize("source", ["post.txt", "-"])
def test_a_text_is_stored_with_its_paragraphs(
    line: CommandLine, store: Engine, source: str
) -> None:
    saved = f"{POST}\n".encode()
    (line.folder / "post.txt").write_bytes(saved)
    words = ("send", "--openids", "list.txt", "--text-file", source)

    sent = line.run(*words, stdin=saved if source == "-" else b"")

    assert sent.status == 0, sent.err
    with store.connect() as connection:
        content = json.loads(connection.scalars(select(BroadcastRow.content)).one())
    assert content["text"] == {"content": POST}
