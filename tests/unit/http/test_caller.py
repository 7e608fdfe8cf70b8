"""The account of a request that names none."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from broadcast.rules.api_keys import APIKey
from broadcast.views.texts import Texts
from entrypoints.http.caller import Caller
from entrypoints.http.problems import ProblemError


@pytest.mark.parametrize(
    ("known", "told"), [((), "api.no_accounts"), (("a", "b"), "api.which_account")]
)
def test_a_key_that_is_good_for_no_account_is_not_asked_to_name_one(
    known: tuple[str, ...], told: str
) -> None:
    settings = SimpleNamespace(accounts=lambda: dict.fromkeys(known))
    key = APIKey(name="shop", scopes=frozenset(), accounts=None, digest="")
    caller = Caller(
        key=key, texts=Texts("en"), parts=cast("Any", SimpleNamespace(settings=settings))
    )

    with pytest.raises(ProblemError) as caught:
        caller.account(None)

    message = caught.value.message
    assert (message.id, message.facts["field"]) == (f"error.{told}", "account")
