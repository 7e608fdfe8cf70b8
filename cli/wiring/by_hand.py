"""What a person has WeChat do: one call, made once, and what it ended as."""

from __future__ import annotations

from typing import Any

from broadcast.accounts import Account
from broadcast.by_hand import HandResult
from broadcast.call.outcomes import Endpoint, Outcome, meaning
from broadcast.errors import BroadcastError, OutOfReachError
from broadcast.message import Message
from cli.wiring.run import Run
from cli.wiring.wechat import WeChatRefusedError, WeChatUnclearError
from presentation.words import Code, Meaning
from wechat.request import Request


class Called:
    """One call that was tried."""

    def __init__(self, result: HandResult, problem: BroadcastError | None = None) -> None:
        """Take what it ended as, and why it was not done."""
        self.result = result
        self.problem = problem

    @property
    def out_of_reach(self) -> bool:
        """Whether WeChat, or the shared token, could not be reached."""
        return isinstance(self.problem, OutOfReachError)

    def why(self) -> Message:
        """Return why it was not done, in plain words."""
        result = self.result
        if result.errcode is not None:
            return Message(
                "by_hand.refused", code=Code(result.errcode, result.errmsg),
                meaning=Meaning(result.errcode), errcode=result.errcode,
            )  # fmt: skip
        return Message("by_hand.away", problem=self.problem or "")


def call(run: Run, account: Account, request: Request[Any], *, at: Endpoint) -> Called:
    """Make a call once and return what it ended as; a refused token is replaced before."""
    try:
        run.wechat.ask(account, request)
    except WeChatRefusedError as error:
        if not str(error.facts["endpoint"]).endswith(request.path):
            # The call for a token: this one never left.
            return Called(HandResult(outcome=Outcome.NOT_CALLED), error)
        errcode = int(str(error.facts["errcode"]))
        result = HandResult(
            outcome=meaning(at, errcode).outcome, errcode=errcode, errmsg=str(error.facts["errmsg"])
        )
        return Called(result, error)
    except WeChatUnclearError as error:
        return Called(HandResult(outcome=Outcome.UNKNOWN), error)
    except BroadcastError as error:
        # Nothing left: no token, no way to WeChat.
        return Called(HandResult(outcome=Outcome.NOT_CALLED), error)
    return Called(HandResult(outcome=Outcome.ACCEPTED))
