"""An answer of WeChat's own is no failure of the call; what cannot be sent is no call."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from broadcast.wechat.api.mass import MassSend
from broadcast.wechat.call_errors import APIError, InvalidRequestError
from tests.integration.wechat.conftest import Connect, Serve, fetch_token, mass, send
from tests.integration.wechat.servers import (
    ACCEPTED,
    TOKEN,
    says,
)


def test_an_errcode_of_a_token_call_is_an_api_error(serve: Serve, connect: Connect) -> None:
    reply = {"errcode": 40001, "errmsg": "invalid credential hint: [a_B-1] rid: 6949fe38-0a-0b"}
    client = connect(serve(says(reply)).url())
    with pytest.raises(APIError) as caught:
        fetch_token(client)
    error = caught.value
    assert (error.errcode, error.errmsg) == (40001, "invalid credential")
    assert error.rid == "6949fe38-0a-0b"
    assert error.endpoint == "GET /cgi-bin/token"


def test_an_errcode_of_a_mass_send_is_a_reply(serve: Serve, connect: Connect) -> None:
    reply = {"errcode": 45065, "errmsg": "clientmsgid exist", "msg_id": 3147494552}
    answer = send(connect(serve(says(reply)).url()))
    assert (answer.errcode, answer.msg_id, answer.msg_data_id) == (45065, 3147494552, None)


def test_content_that_cannot_be_sent_costs_no_call(serve: Serve, connect: Connect) -> None:
    server = serve(says(ACCEPTED))
    client = connect(server.url())
    bad = MassSend(
        openids=mass().openids,
        content={"msgtype": "text", "text": {"content": "half \ud83d"}},
        clientmsgid="b-1",
    )
    with pytest.raises(InvalidRequestError, match="surrogate"):
        client.call(bad, token=SecretStr(TOKEN))
    assert server.connections == 0
