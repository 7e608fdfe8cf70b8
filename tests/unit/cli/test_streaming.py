"""A list that is cut off says so: half of it looks like a list, and somebody might send to it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import pytest

from broadcast.errors import BroadcastError, DatabaseAwayError, OutOfReachError
from entrypoints.cli import exits, main
from entrypoints.cli.streaming import CutOffError
from entrypoints.cli.terminal import Terminal
from tests.unit.views.reports import EN

if TYPE_CHECKING:
    from entrypoints.cli.run import Run

AWAY = DatabaseAwayError("error.database.away", cause="gone", where="")
ERRORS = [(AWAY, exits.OUT_OF_REACH), (KeyError("other"), exits.FAILED)]


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROADCAST_LANG", "en")


def run(monkeypatch: pytest.MonkeyPatch, work: object, *words: str) -> int:
    monkeypatch.setattr(main, "_invoke", work)
    return main.run(["suppress", "list", *words])


@pytest.mark.parametrize(("error", "status"), ERRORS)
def test_rows_that_are_cut_off_are_incomplete(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    status: int,
) -> None:
    def rows() -> Iterator[bytes]:
        yield b"openid\n"
        raise error

    def work(run: Run) -> int:
        run.terminal.stream(rows())
        return 0

    assert run(monkeypatch, work) == status

    shown = capsys.readouterr()
    assert shown.out == "openid\n"
    assert "The list is incomplete" in shown.err
    assert len(shown.err.splitlines()) == 1


@pytest.mark.parametrize(("error", "status"), ERRORS)
def test_an_object_that_is_cut_off_is_json_with_its_error(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    status: int,
) -> None:
    def each() -> Iterator[Mapping[str, object]]:
        yield {"openid": "一"}
        yield {"openid": "b"}
        raise error

    def work(run: Run) -> int:
        run.terminal.stream_json("suppressed", each())
        return 0

    assert run(monkeypatch, work, "--json") == status

    shown = capsys.readouterr()
    told = json.loads(shown.out)
    assert told["suppressed"] == [{"openid": "一"}, {"openid": "b"}]
    assert "The list is incomplete" in told["error"]
    assert told["error"] in shown.err.replace("\n", " ")


def test_what_fails_before_its_first_row_is_not_incomplete(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(run: Run) -> int:
        run.terminal.stream_json("suppressed", (1 / 0 for _ in range(1)))  # type: ignore[misc]
        return 0

    assert run(monkeypatch, work, "--json") == exits.FAILED
    shown = capsys.readouterr()
    assert set(json.loads(shown.out)) == {"id", "state", "error"}
    assert "incomplete" not in shown.err

    for error in (AWAY, KeyError("other")):
        with pytest.raises(type(error)):
            Terminal(EN).stream(raised(error))


def raised(error: Exception) -> Iterator[bytes]:
    raise error
    yield b""


def test_an_object_of_nothing_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal(EN, json_expected=True).stream_json("suppressed", [])

    assert json.loads(capsys.readouterr().out) == {"suppressed": [], "error": None}


def test_a_bug_that_cut_off_a_list_shows_where_it_happened_on_request(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def rows() -> Iterator[bytes]:
        yield b"openid\n"
        raise KeyError("other")

    def work(run: Run) -> int:
        run.terminal.stream(rows())
        return 0

    monkeypatch.setenv("BROADCAST_DEBUG", "1")

    assert run(monkeypatch, work) == exits.FAILED
    assert "KeyError: 'other'" in capsys.readouterr().err
    assert not issubclass(CutOffError, OutOfReachError)
    assert issubclass(CutOffError, BroadcastError)
