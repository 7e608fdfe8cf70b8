"""Whom `broadcast send` goes to: exactly one audience, and everybody only in as many words."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, Row, select

from broadcast.rules.plan.audience import Everyone, Tag
from broadcast.rules.suppressions import SuppressionKind, SuppressionSource
from models.broadcast_tables import BroadcastRow
from models.ledger.lists import suppressions
from tests.integration.test_which import said
from tests.kit import ledger
from tests.kit.seat import sit

TEXT = ("--text", "Doors open at nine")


def stored(engine: Engine) -> list[Row[str, str, int | None, int | None]]:
    """Return of each broadcast whom it goes to, how many, and in how many calls."""
    query = select(
        BroadcastRow.audience_kind,
        BroadcastRow.audience_spec,
        BroadcastRow.planned,
        BroadcastRow.calls_planned,
    )
    with engine.connect() as connection:
        return list(connection.execute(query))


def in_hours(n: int) -> str:
    return (datetime.now(UTC) + timedelta(hours=n)).isoformat(timespec="seconds")


def typed(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    """Sit at a terminal and type *answer*."""
    sit(monkeypatch)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{answer}\n"))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "this never means everybody"),
        (("--tag", "2", "--to-all"), "(--tag, --to-all). Give exactly one"),
        (("--tag", "2", "--tag", "3"), "(--tag). Give exactly one"),
        (("--openids", "a.txt", "--tag", "2"), "(--openids, --tag). Give exactly one"),
        (("--openids", "a.txt", "--openids", "b.txt"), "Put the lists into one file"),
        (("--to-all",), "say so with --yes-to-all"),
        (("--to-all", "--yes"), "say so with --yes-to-all"),
        (("--tag", "2", "--yes-to-all"), "--yes-to-all goes with --to-all only"),
        (("--tag", " "), "--tag and --with-tag take the name or the id of a tag"),
    ],
)
def test_what_is_no_audience_is_refused_and_nothing_is_stored(
    here: Engine, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], told: str
) -> None:
    refused = said(capsys, "send", *words, *TEXT, status=2)

    assert told in refused
    assert len(refused.splitlines()) == 1
    assert not stored(here)


def test_a_tag_s_name_needs_wechat_and_nothing_is_stored_without(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (("--tag", "会员"), ("--openids", "a.txt", "--exclude", "tag:会员")):
        refused = said(capsys, "send", *words, *TEXT, status=3)
        assert "Which tag is called 会员 is known to WeChat alone" in refused
    assert not stored(here)


@pytest.mark.parametrize(
    ("words", "kind", "spec"),
    [
        (("--tag", "2"), Tag.kind, '{"tag_id":2}'),
        (("--to-all", "--yes-to-all"), Everyone.kind, "{}"),
    ],
)
def test_a_list_that_is_wechat_s_is_stored_as_one_call_to_nobody_knows_how_many(
    here: Engine, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], kind: str, spec: str
) -> None:
    said(capsys, "send", *words, *TEXT)

    assert stored(here) == [(kind, spec, None, 1)]
    assert "known only to WeChat" in said(capsys, "status", "@last")


def test_the_same_key_with_another_tag_is_refused_and_with_the_same_found(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    said(capsys, "send", "--tag", "2", "--key", "k", *TEXT)

    assert "another audience." in said(capsys, "send", "--tag", "3", "--key", "k", *TEXT, status=2)
    assert "submitted before" in said(capsys, "send", "--tag", "2", "--key", "k", *TEXT)
    assert "same content was submitted" in said(capsys, "send", "--tag", "2", *TEXT, status=2)
    assert len(stored(here)) == 1


@pytest.mark.parametrize(
    ("kind", "words", "told"),
    [
        ("test", ("--tag", "2"), "test account"),
        ("test", ("--to-all", "--yes-to-all"), "test account"),
        ("subscription", ("--openids", "-"), "Use --tag or --to-all"),
    ],
)
def test_what_the_kind_of_account_cannot_send_is_refused(
    here: Engine,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    *,
    kind: str,
    words: tuple[str, ...],
    told: str,
) -> None:
    monkeypatch.setenv("WECHAT_ACCOUNT_KIND", kind)
    people = b"".join(b"o%027d\n" % n for n in range(3))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(people)))

    assert told in said(capsys, "send", *words, *TEXT, status=2)
    assert not stored(here)


@pytest.mark.parametrize(("answer", "status"), [("default", 0), ("y", 1), ("", 1), ("Default", 1)])
def test_everybody_is_sent_to_only_after_the_account_s_name_was_typed(
    here: Engine,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    *,
    answer: str,
    status: int,
) -> None:
    typed(monkeypatch, answer)

    shown = said(capsys, "send", "--to-all", "--yes", "--ignore-suppression", *TEXT, status=status)

    assert "Audience  every follower, by WeChat's own list" in shown
    assert "followers who are suppressed get it too (--ignore-suppression)" in shown
    assert ("That is not the account's name, default." in shown) is (answer in {"y", "Default"})
    assert "EVERY follower (how many is not known: `broadcast followers sync` counts them)" in shown
    assert bool(stored(here)) is (status == 0)


@pytest.mark.parametrize(("answer", "status"), [("y", 0), ("n", 1)])
def test_a_tag_is_named_in_the_question(
    here: Engine,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    *,
    answer: str,
    status: int,
) -> None:
    typed(monkeypatch, answer)

    shown = said(capsys, "send", "--tag", "2", *TEXT, status=status)

    assert "every follower with tag 2 of account default" in shown
    assert bool(stored(here)) is (status == 0)


def test_a_dry_run_of_everybody_asks_nothing_and_knows_no_number(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    told = json.loads(
        said(capsys, "send", "--to-all", *TEXT, "--dry-run", "--json", status=3).splitlines()[0]
    )

    assert (told["audience"]["planned"], told["batches"]["total"]) == (None, 1)
    assert told["plan"]["fit"] == "unproved"
    assert not stored(here)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--exclude", "out.txt"), "--exclude cannot read out.txt"),
        (("--exclude", "file:"), "Write file:PATH, tag:TAG (name or id) or broadcast:ID"),
        (("--exclude", "tag: "), "--exclude cannot read tag:"),
        (("--exclude", "file:-"), "--exclude file:- does not read standard input"),
        (("--exclude", "file:missing.txt"), "missing.txt"),
        (("--exclude", "broadcast:nobody"), "nobody"),
        (("--sample", "0"), "--sample cannot read 0"),
        (("--sample", "101%"), "--sample cannot read 101%"),
        (("--only-current",), "broadcast followers sync --account default"),
        (("--with-tag", "2"), "--with-tag goes with --followers only"),
    ],
)
def test_what_leaves_nobody_out_as_it_is_written_is_refused_and_nothing_is_stored(
    here: Engine,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    *,
    words: tuple[str, ...],
    told: str,
) -> None:
    file = tmp_path / "list.txt"
    file.write_text("\n".join(ledger.openids(5)), encoding="ascii")

    refused = said(capsys, "send", "--openids", str(file), *words, *TEXT, status=2)

    assert told in refused
    assert len(refused.splitlines()) == 1
    assert not stored(here)


@pytest.mark.parametrize("words", [("--tag", "2"), ("--to-all", "--yes-to-all")])
@pytest.mark.parametrize("narrowed", [("--sample", "10%"), ("--only-current",)])
def test_of_wechat_s_own_list_nobody_is_left_out(
    here: Engine,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    narrowed: tuple[str, ...],
) -> None:
    refused = said(capsys, "send", *words, *narrowed, *TEXT, status=2)

    assert "Use --followers" in refused
    assert not stored(here)


def test_followers_that_were_never_synced_are_nobody_s_and_refused(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "broadcast followers sync --account default" in said(
        capsys, "send", "--followers", *TEXT, status=2
    )
    assert not stored(here)


def test_exclusions_belong_to_what_the_key_stands_for(
    here: Engine, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    names = ledger.openids(8)
    for name, some in (("all", names), ("out", names[:2]), ("same", [*names[1::-1], names[0]])):
        (tmp_path / f"{name}.txt").write_text("\n".join(some), encoding="ascii")
    words = ("send", "--openids", "all.txt", "--key", "k", *TEXT)

    said(capsys, *words, "--exclude", "file:out.txt", "--exclude", "tag:3")

    # The same people from another file, in another order, are the same.
    again = said(capsys, *words, "--exclude", "tag:03", "--exclude", "file:same.txt")
    assert "submitted before" in again
    for other in ((), ("--exclude", "file:out.txt"), ("--exclude", "tag:3", "--sample", "2")):
        assert "another exclude" in said(capsys, *words, *other, status=2)
    assert len(stored(here)) == 1


def test_a_part_of_an_audience_is_no_repeat_of_the_whole_but_of_the_same_part(
    here: Engine, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "all.txt").write_text("\n".join(ledger.openids(8)), encoding="ascii")
    words = ("send", "--openids", "all.txt", *TEXT)
    said(capsys, *words, "--sample", "25%")

    assert "same content was submitted" in said(capsys, *words, "--sample", "25%", status=2)
    said(capsys, *words)
    assert len(stored(here)) == 2


def test_a_line_that_names_nobody_may_be_somebody_who_is_to_be_left_out(
    here: Engine, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    names = ledger.openids(8)
    (tmp_path / "all.txt").write_text("\n".join(names), encoding="ascii")
    (tmp_path / "out.txt").write_text("\n".join([*names[:4], "oops"]), encoding="ascii")
    words = ("send", "--openids", "all.txt", "--exclude", "file:out.txt", *TEXT)

    for more in ((), ("--dry-run",)):
        refused = said(capsys, *words, *more, status=2)
        assert "out.txt, to be left out: 1 line is not an OpenID" in refused
        assert "line 5: “oops”" in refused
        assert "Nothing was stored" in refused
    assert not stored(here)


def test_too_few_are_left_for_a_reason_that_is_named(
    here: Engine, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    names = ledger.openids(8)
    (tmp_path / "all.txt").write_text("\n".join(names), encoding="ascii")
    words = ("send", "--openids", "all.txt", *TEXT)

    assert "Take a larger sample" in said(capsys, *words, "--sample", "0.001%", status=2)
    suppressions.suppress(here, names, SuppressionSource(kind=SuppressionKind.PERSON, who="tests"))
    assert "all 8 are on the suppression list" in said(capsys, *words, status=2)
    assert not stored(here)


def test_a_dry_run_refuses_a_media_id_that_is_none(
    here: Engine, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "all.txt").write_text("\n".join(ledger.openids(8)), encoding="ascii")
    content = {"msgtype": "image", "images": {"media_ids": ["file:/etc/passwd"]}}
    (tmp_path / "content.json").write_text(json.dumps(content), encoding="ascii")
    words = ("send", "--openids", "all.txt", "--content", "content.json")

    for more in ((), ("--dry-run",)):
        assert "which is not a media_id" in said(capsys, *words, *more, status=2)
    assert not stored(here)


def test_what_a_dry_run_shows_adds_up(
    here: Engine, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    names = ledger.openids(20)
    (tmp_path / "all.txt").write_text("\n".join([*names, names[0], "x"]), encoding="ascii")
    (tmp_path / "out.txt").write_text("\n".join(names[:4]), encoding="ascii")
    word = SuppressionSource(kind=SuppressionKind.PERSON, who="tests")
    suppressions.suppress(here, names[3:6], word)

    shown = said(
        capsys,
        "send",
        "--openids",
        "all.txt",
        "--exclude",
        "file:out.txt",
        "--sample",
        "50%",
        *TEXT,
        "--dry-run",
        "--json",
        status=3,
    )

    assert "Audience  read 22 · malformed 1 · duplicate 1\n" in shown
    assert "Left out  3 suppressed · 3 excluded · 7 not in the sample\nPlanned   7\n" in shown
    figures = json.loads(next(line for line in shown.splitlines() if line.startswith("{")))[
        "audience"
    ]
    assert figures == {
        "read": 22,
        "malformed": 1,
        "duplicate": 1,
        "suppressed": 3,
        "excluded": 3,
        "sampled_out": 7,
        "planned": 7,
        "at_most": False,
    }
    assert not stored(here)
