"""Calls by hand to WeChat: each made once, with its result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from broadcast.errors import BroadcastError, MediaError, OutOfReachError
from broadcast.message import Message
from broadcast.rules.accounts import Account
from broadcast.rules.calls.outcomes import Endpoint, Outcome, meaning
from broadcast.rules.content import Content
from broadcast.rules.hand_calls import HandCall, HandResult
from broadcast.rules.media import LocalFile, VideoWords
from broadcast.views.errcode_words import fix_of_upload
from broadcast.views.words import Meaning, code_of
from broadcast.wechat.endpoint import Request
from entrypoints.cli import exits
from entrypoints.cli.run import Run
from models.ledger.steer import recorded_hand_calls
from producer.media import upload
from producer.wiring import wechat_uploads
from producer.wiring.wechat import WeChatRefusedError, WeChatUnclearError


class Called:
    """One call that was tried."""

    def __init__(self, result: HandResult, problem: BroadcastError | None = None) -> None:
        """*problem*: why it was not done."""
        self.result = result
        self.problem = problem

    @property
    def status(self) -> int:
        """The exit status: 3 where WeChat, or the shared token, was out of reach, 1: refused."""
        if self.result.done:
            return exits.DONE
        return exits.OUT_OF_REACH if isinstance(self.problem, OutOfReachError) else exits.FAILED

    def end(self, done: str) -> str:
        """Return the end of the id of its text: *done*, ``maybe`` or ``refused``."""
        return done if self.result.done else "maybe" if self.result.maybe else "refused"

    def word(self, done: str) -> str:
        """Return what it ended as, for programs: *done* where WeChat did it."""
        end = self.end(done)
        if end == "refused" and self.result.errcode is None:
            return "not_called"
        return "unknown" if end == "maybe" else end

    def why(self) -> Message:
        """Return why it was not done, in plain words."""
        result = self.result
        if result.errcode is not None:
            return Message(
                "by_hand.refused",
                code=code_of(result.errcode, result.errmsg),
                meaning=Meaning(result.errcode),
                errcode=result.errcode,
            )
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


def by_hand(
    run: Run, account: Account, order: HandCall, *, request: Request[Any], at: Endpoint
) -> Called:
    """Make a call as :func:`call`, and write it down before and after."""
    number = recorded_hand_calls.begin(run.engine, account, order)
    called = call(run, account, request, at=at)
    recorded_hand_calls.end(run.engine, number, called.result)
    return called


def status_of(each: Iterable[Called | None]) -> int:
    """Return the exit status of several calls; None: there was nothing to call for."""
    return max((one.status for one in each if one is not None), default=exits.DONE)


def show_called(run: Run, value: Mapping[str, Any], each: Iterable[Called | None]) -> None:
    """Print the object of ``--json``; its ``error`` says why the first call was not done."""
    undone = next((one for one in each if one is not None and not one.result.done), None)
    run.show_json({**value, "error": undone and run.terminal.in_words(undone.why())})


class Uploads(wechat_uploads.Uploads):
    """:class:`producer.media.upload.Uploader` on the real WeChat, with the fix of a refusal."""

    def upload(
        self, account: Account, file: LocalFile, words: VideoWords
    ) -> tuple[str | None, str | None]:
        """Upload a file; return its media_id and its address, where it has them.

        Raises MediaError for one that WeChat does not take, too.
        """
        try:
            return super().upload(account, file, words)
        except WeChatRefusedError as error:
            errcode = int(str(error.facts["errcode"]))
            fix = fix_of_upload(errcode)
            if fix is None:
                raise
            code = code_of(errcode, str(error.facts["errmsg"]))
        raise MediaError("error.media.refused", path=file.path, code=code, fix=fix)


def uploaded(run: Run, account: Account, content: Content) -> Content:
    """Return *content* with its files uploaded, each once while it lives.

    Raises what :class:`Uploads` raises, and DatabaseAwayError.
    """
    cache = upload.UploadCache(run.engine, account)
    return upload.uploaded(content, cache=cache, uploader=Uploads(run.wechat))
