"""OpenIDs in the bodies of calls about followers, and pages of them in the replies."""

from __future__ import annotations

from simulator.core.endpoint import Call, Fields
from simulator.core.errors import RefusalError
from simulator.core.followers import NOBODY
from simulator.openid import MalformedOpenIDError, Numbers, pack


def numbers_of(call: Call, openids: object, *, limit: int, foreign: int = 40003) -> Numbers:
    """Return the numbers of a list of OpenIDs that the account knows.

    Raises:
        RefusalError: 40032 no list, empty or too long; 40003 malformed; `foreign` unknown.
    """
    if not isinstance(openids, list) or not 0 < len(openids) <= limit:
        raise RefusalError(40032)
    try:
        numbers = call.account.followers.known(pack(openids))
    except MalformedOpenIDError as error:
        raise RefusalError(40003) from error
    if (numbers == NOBODY).any():
        raise RefusalError(foreign)
    return numbers


def position_of(call: Call, openid: object) -> int | None:
    """Return the number behind which a page begins; no OpenID is the first page. Else 40003."""
    if openid is None or openid == "":
        return None
    return int(numbers_of(call, [openid], limit=1)[0])


def page_reply(call: Call, numbers: Numbers, *, full: int) -> Fields:
    """Return the part of a reply that shows a page; an empty one has no `data`."""
    if not len(numbers):
        return {"count": 0, "next_openid": ""}
    openids = call.account.followers.openids(numbers)
    goes_on = len(numbers) == full or call.world.switches.last_page_names_next
    return {
        "count": len(openids),
        "data": {"openid": openids},
        "next_openid": openids[-1] if goes_on else "",
    }
