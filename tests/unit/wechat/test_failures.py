"""The map from exceptions to kinds is complete, and its order is right."""

from __future__ import annotations

import inspect
import pickle
import socket
import ssl

import pytest
import requests
import urllib3

from broadcast.wechat import call_errors
from broadcast.wechat.call_errors import (
    NOT_SENT,
    APIError,
    InvalidRequestError,
    NotSentError,
    TransportError,
    TransportKind,
    UnknownOutcomeError,
    WeChatError,
)
from broadcast.wechat.deadline import Exchange, Phase, Timeouts
from broadcast.wechat.failures import MAP, describe, kind_of


def exchange(phase: Phase) -> Exchange:
    made = Exchange(Timeouts())
    made.phase = phase
    return made


def exceptions_of(module: object) -> list[type[Exception]]:
    return [
        each
        for _, each in inspect.getmembers(module, inspect.isclass)
        if issubclass(each, Exception)
        and not issubclass(each, Warning)
        # urllib3 and the standard library have their own
        and each.__module__ == "requests.exceptions"
    ]


@pytest.mark.parametrize("exception", exceptions_of(requests.exceptions))
def test_every_exception_of_requests_stands_in_the_map(exception: type[Exception]) -> None:
    assert exception in {row.exception for row in MAP}


def test_the_exceptions_of_requests_were_found() -> None:
    assert len(exceptions_of(requests.exceptions)) >= 20


def test_every_exception_of_urllib3_has_a_row() -> None:
    covered = tuple(row.exception for row in MAP)
    for _, each in inspect.getmembers(urllib3.exceptions, inspect.isclass):
        if each.__module__ == "urllib3.exceptions" and not issubclass(each, Warning):
            assert issubclass(each, covered), each


def test_no_row_is_hidden_by_a_more_general_one_above_it() -> None:
    for place, row in enumerate(MAP):
        for above in MAP[:place]:
            assert not issubclass(row.exception, above.exception), (row, above)


@pytest.mark.parametrize("row", MAP)
def test_before_is_not_sent_and_after_is_unknown(row: tuple[object, ...]) -> None:
    _, before, after = row
    assert isinstance(before, TransportKind)
    assert isinstance(after, TransportKind)
    assert before in NOT_SENT
    assert after not in NOT_SENT


@pytest.mark.parametrize("kind", TransportKind)
def test_a_kind_makes_the_class_it_demands(kind: TransportKind) -> None:
    error = TransportError.from_kind(kind, endpoint="POST /x")
    assert isinstance(error, NotSentError if kind in NOT_SENT else UnknownOutcomeError)
    assert error.sent is (kind not in NOT_SENT)


def test_the_same_exception_means_two_things() -> None:
    error = requests.exceptions.SSLError(urllib3.exceptions.SSLError(ssl.SSLError("x")))
    assert kind_of(error, exchange(Phase.CONNECTING)) is TransportKind.TLS
    assert kind_of(error, exchange(Phase.WAITING)) is TransportKind.TLS_BROKEN
    assert kind_of(error, exchange(Phase.SENDING)) is TransportKind.WRITE_FAILED
    assert kind_of(error, exchange(Phase.TUNNELLING)) is TransportKind.PROXY


def test_the_wrapped_exception_decides() -> None:
    inner = socket.gaierror(-2, "Name or service not known")
    error = requests.exceptions.ConnectionError(urllib3.exceptions.ProtocolError("x", inner))
    described = describe(error, exchange(Phase.CONNECTING), endpoint="GET /x")
    assert isinstance(described, NotSentError)
    assert described.kind is TransportKind.DNS
    assert described.detail == "gaierror: Name or service not known"


def test_what_the_caller_was_handling_does_not_decide() -> None:
    error = requests.exceptions.ReadTimeout()
    error.__context__ = ConnectionRefusedError()
    assert kind_of(error, exchange(Phase.WAITING)) is TransportKind.READ_TIMEOUT


def test_a_bug_is_passed_on_without_frames() -> None:
    with pytest.raises(AttributeError) as caught:
        raise AttributeError("no access_token=82_abcdefgh here")
    passed_on = describe(caught.value, exchange(Phase.WAITING), endpoint="GET /x")
    assert passed_on is caught.value
    assert passed_on.__traceback__ is None
    assert "82_abcdefgh" not in str(passed_on)
    assert "test_a_bug_is_passed_on" in passed_on.__notes__[0]


def test_an_interrupt_loses_what_it_interrupted() -> None:
    interrupt = KeyboardInterrupt()
    interrupt.__context__ = requests.exceptions.ReadTimeout("?access_token=82_abcdefgh")
    interrupt.__cause__ = interrupt.__context__
    passed_on = describe(interrupt, exchange(Phase.WAITING), endpoint="GET /x")
    assert passed_on is interrupt
    assert interrupt.__context__ is None
    assert interrupt.__cause__ is None


@pytest.mark.parametrize(
    "error",
    [
        APIError(errcode=40001, errmsg="invalid credential", rid="1-2", endpoint="GET /x"),
        InvalidRequestError(field="touser", problem="is empty"),
        TransportError.from_kind(TransportKind.DNS, endpoint="GET /x", detail="x", elapsed_ms=5),
        TransportError.from_kind(TransportKind.HTTP_STATUS, endpoint="GET /x", http_status=502),
    ],
)
def test_errors_cross_process_borders(error: WeChatError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_every_kind_is_documented() -> None:
    lines = inspect.getsource(call_errors).splitlines()
    for kind in TransportKind:
        place = lines.index(f'        "{kind.name}",')
        assert lines[place - 1].strip().startswith("#: "), kind
