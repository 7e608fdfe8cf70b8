"""Keys of the HTTP API as the settings have them."""

from __future__ import annotations

import hmac

import pytest

from broadcast.errors import SettingsError
from broadcast.rules import api_keys
from broadcast.rules.api_keys import EVERY_SCOPE, Scope
from broadcast.views.texts import Texts

WHERE = "BROADCAST_API_KEYS"
KEY = "key-of-every-scope-0123456789"


def test_a_key_alone_may_do_everything_under_the_usual_name() -> None:
    [key] = api_keys.parse(KEY, where=WHERE)

    assert (key.name, key.scopes, key.accounts) == (api_keys.UNNAMED, EVERY_SCOPE, None)
    assert KEY not in repr(key)


def test_keys_stand_between_commas_or_on_lines_with_comments() -> None:
    text = f"# of the shop\nshop:read+submit:{KEY}1 , main:control@main+other:{KEY}2\r\n\n{KEY}3"
    shop, main, last = api_keys.parse(text, where=WHERE)

    assert shop.scopes == {Scope.READ, Scope.SUBMIT}
    assert main.accounts == frozenset({"main", "other"})
    assert main.may_use("other")
    assert not main.may_use("shop")
    assert last.name == api_keys.UNNAMED


def test_a_key_is_found_by_the_whole_of_it_alone() -> None:
    keys = api_keys.parse(f"a:read:{KEY}1,b:read:{KEY}2", where=WHERE)

    assert getattr(api_keys.find(keys, f"{KEY}2"), "name", None) == "b"
    for wrong in (KEY, f"{KEY}22", "", f"{KEY}1".upper(), "ü"):
        assert api_keys.find(keys, wrong) is None


def test_each_key_is_compared_whichever_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """By digests in constant time, so no time says how much of a key was right, or which it is."""
    compared: list[str] = []

    def counted(known: str, given: str) -> bool:
        compared.append(known)
        return compare(known, given)

    compare = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", counted)
    keys = api_keys.parse(",".join(f"n:read:{KEY}{n}" for n in range(9)), where=WHERE)
    for token in (f"{KEY}0", f"{KEY}8", "another", ""):
        compared.clear()
        api_keys.find(keys, token)
        assert compared == [key.digest for key in keys]
    assert all(len(key.digest) == 64 for key in keys)


def test_a_key_that_may_be_tried_out_is_told_apart() -> None:
    short, long = api_keys.parse(f"a:read:Gk2-uvW3x.Lq,b:read:{KEY}", where=WHERE)

    assert (short.is_short, long.is_short) == (True, False)


def test_every_new_key_is_another_one_that_can_be_read_again() -> None:
    keys = {api_keys.new_key() for _ in range(100)}

    assert len(keys) == 100
    assert all(api_keys.parse(key, where=WHERE) for key in keys)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("short", "entry 1"),
        (f"name:{KEY}", "Entry 1"),
        (f"n:reed:{KEY}", "scopes among"),
        (f"n:read@:{KEY}", "Entry 1"),
        (f"n::{KEY}", "Entry 1"),
        (f"a b:read:{KEY}", "Entry 1"),
        (f"{KEY}1,n:read@shop/x:{KEY}", "Entry 2"),
        (f"{KEY},x:read:{KEY}", "twice"),
        (f"n:read:{KEY} {KEY}", "entry 1"),
        ("n:read:ключключ", "entry 1"),
        ("12345678", "tried"),
        ("n:read:Password", "tried"),
        (f"{KEY},changeme", "entry 2"),
        ("aaaaaaaa", "tried"),
    ],
)
def test_what_is_wrong_is_told_without_the_key(text: str, words: str) -> None:
    with pytest.raises(SettingsError) as refused:
        api_keys.parse(text, where=WHERE)

    assert words in Texts("en")(refused.value)
    assert KEY not in str(refused.value)
    assert KEY not in Texts("zh")(refused.value)
