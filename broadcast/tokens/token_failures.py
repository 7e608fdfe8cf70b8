"""Failed fetches of a token: what others hear of them, and which concern this machine alone."""

from __future__ import annotations

import json
import logging
import time
from typing import TYPE_CHECKING

from broadcast.frozen import frozen
from broadcast.rules.calls.outcomes import NOT_LISTED
from broadcast.tokens.token_store import TokenFetchError, TokenRefusedError

if TYPE_CHECKING:
    from pydantic import SecretStr

    from broadcast.errors import BroadcastError

log = logging.getLogger(__name__)

#: How long a machine that is not on the whitelist leaves the token to others, in seconds.
UNLISTED_FOR_S = 60.0


@frozen
class Unlisted:
    """WeChat gives this machine no token of an account."""

    failure: str
    #: WeChat's own words, which name the address.
    words: str | None
    #: On the monotonic clock.
    until: float
    #: The shared token, where WeChat had refused it before.
    failed: SecretStr | None


class Failures:
    """What this process knows of failed fetches; a failure is JSON, without its error's text."""

    def __init__(self, host: str) -> None:
        """Take the name of this machine, the one to which WeChat's whitelist applies."""
        self._host = host
        self._unlisted: dict[str, Unlisted] = {}

    def note(self, account: str, error: Exception, *, failed: SecretStr | None) -> str:
        """Return the failure for the processes that waited; note one of this machine's address."""
        if isinstance(error, TokenRefusedError):
            return json.dumps({"refused": error.message_id, "seconds": error.retry_after_s})
        errcode = getattr(error, "errcode", None)
        facts: dict[str, str | int | None] = {
            "error": type(error).__name__,
            "errcode": errcode if isinstance(errcode, int) else None,
        }
        if errcode not in NOT_LISTED:
            return json.dumps(facts)
        log.warning(
            "account %s: WeChat gives no access_token to this machine, whose address is not on the "
            "whitelist; other machines go on while one of them is: %s",
            account, error,
        )  # fmt: skip
        failure = json.dumps({**facts, "host": self._host})
        self._unlisted[account] = Unlisted(
            failure=failure,
            words=getattr(error, "errmsg", None),
            until=time.monotonic() + UNLISTED_FOR_S,
            failed=failed,
        )
        return failure

    def concerns_us(self, failure: str) -> bool:
        """Return whether a failure that another process met is one of this machine, too."""
        return bool(json.loads(failure).get("host", self._host) == self._host)

    def of_this_machine(self, account: str) -> Unlisted | None:
        """Return the refusal of this machine's address, for a minute."""
        unlisted = self._unlisted.get(account)
        return unlisted if unlisted and time.monotonic() < unlisted.until else None

    def forget(self, account: str) -> str | None:
        """Forget the refusal of this machine's address; return WeChat's words of then."""
        unlisted = self._unlisted.pop(account, None)
        return unlisted.words if unlisted else None


def as_error(failure: str, *, account: str) -> BroadcastError:
    """Return a failure as the error of whoever waited for the fetch."""
    facts = json.loads(failure)
    if "refused" in facts:
        return TokenRefusedError(facts["refused"], account=account, seconds=facts["seconds"])
    return TokenFetchError(
        "error.token.fetch", account=account, error=facts["error"], errcode=facts["errcode"]
    )
