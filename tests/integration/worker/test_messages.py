"""Messages whose arguments do not fit: one line each, and the task does not run."""

from __future__ import annotations

import base64
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kombu.exceptions import ContentDisallowed
from kombu.message import Message

from broadcast import names
from worker import application, messages, tasks


@pytest.mark.parametrize(
    ("task", "args", "kwargs", "why"),
    [
        (names.PLAN, ["b"], {"forward_count": "hidden"}, "forward_count is str, not int"),
        (
            names.SEND_BATCH,
            ["a", "b"],
            {"forward_count": None},
            "forward_count is NoneType, not int",
        ),
        (names.SEND_BATCH, [["hidden"], "b"], {}, "account is list, not str"),
        (names.POLL_ACCOUNT, ["a"], {"forward_count": 1.5}, "forward_count is float, not int"),
        (names.REFRESH_TOKEN, [], {"only_expiring": "hidden"}, "only_expiring is str, not bool"),
        (names.POLL_ACCOUNT, [], {}, "missing a required argument: 'account'"),
        (names.POLL_ACCOUNT, ["hidden" * 50], {}, "account is too long or not printable"),
        (names.PLAN, ["hidden\0"], {}, "broadcast_id is too long or not printable"),
        (names.PLAN, ["hidden\ud800"], {}, "broadcast_id is too long or not printable"),
    ],
)
def test_message_whose_argument_is_of_another_kind_is_dropped_with_one_line(
    task: str, args: list[Any], kwargs: dict[str, Any], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = application.make()
    app.loader.import_default_modules()
    assert app.tasks[task](*args, **kwargs) is None
    assert [record.getMessage() for record in caplog.records] == [f"message dropped: {task}: {why}"]
    assert caplog.records[0].exc_info is None


def test_message_that_fits_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_: object) -> None:
        raise AssertionError("it ran")

    monkeypatch.setattr(tasks, "parts", nothing)
    app = application.make()
    app.loader.import_default_modules()
    with pytest.raises(AssertionError, match="it ran"):
        app.tasks[names.SEND_BATCH]("a", "b", forward_count=2)


@dataclass(frozen=True, slots=True)
class _Bomb:
    """What runs when it is unpickled."""

    file: Path

    def __reduce__(self) -> tuple[Any, tuple[Path]]:
        return Path.touch, (self.file,)


@pytest.mark.parametrize("kind", ["application/x-python-serialize", "pickle", "yaml", "x"])
def test_a_pickled_message_is_never_unpickled(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "touched"
    message = Message(
        base64.b64encode(pickle.dumps([[_Bomb(file)], {}, {}])).decode(),
        content_type=kind,
        content_encoding="binary",
        headers={"task": names.PLAN, "id": "1"},
        properties={"body_encoding": "base64"},
        accept=application.make().conf.accept_content,
    )

    with pytest.raises(ContentDisallowed):
        messages.check(message)

    assert not file.exists()
