"""How a failed call is looked at."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from broadcast.wechat.call_errors import (
    NotSentError,
    TransportError,
    TransportKind,
    UnknownOutcomeError,
)
from broadcast.wechat.client import WeChatClient
from tests.integration.wechat.conftest import send


def failure(client: WeChatClient, call: Callable[[WeChatClient], object] = send) -> TransportError:
    """Return what a call is refused with."""
    with pytest.raises(TransportError) as caught:
        call(client)
    return caught.value


def assert_not_sent(error: TransportError, kind: TransportKind) -> None:
    """Assert that the call may be made again."""
    assert error.kind is kind, str(error)
    assert isinstance(error, NotSentError)
    assert not error.sent


def assert_unknown(error: TransportError, kind: TransportKind) -> None:
    """Assert that WeChat may have executed the call."""
    assert error.kind is kind, str(error)
    assert isinstance(error, UnknownOutcomeError)
    assert error.sent


def quietly(work: Callable[[], object]) -> None:
    """Do *work* of a server whose client may be gone."""
    try:
        work()
    except OSError:
        return
