"""Before the server starts: whose pushes could be taken for another's, and what words answer."""

from __future__ import annotations

import pytest

from broadcast.message import Message
from broadcast.rules import accounts
from broadcast.rules.accounts import Account
from broadcast.views.texts import Language
from entrypoints.cli.commands.callback import alike, keywords_of


def account(name: str, token: str, key: str | None = None) -> Account:
    return accounts.make(
        name,
        appid=f"wx{name}0123456789abcdef"[:18],
        appsecret="0123456789abcdef",
        callback_token=token,
        encoding_aes_key=key,
    )


def test_account_in_plain_mode_with_the_token_of_another_is_warned_of() -> None:
    """In clear nothing but URL and token says whose a push is; with a key the AppID is checked."""
    shop, main = account("shop", "same"), account("main", "same", "k" * 43)

    assert list(alike([shop, main])) == [
        Message("callback.same_token", account="shop", others=["main"])
    ]
    assert list(alike([main, account("else", "other")])) == []


@pytest.mark.parametrize(
    ("language", "words"), [(None, "您已退订"), ("en", "You are unsubscribed")]
)
def test_followers_are_answered_in_chinese_unless_a_language_is_set(
    monkeypatch: pytest.MonkeyPatch, language: Language | None, words: str
) -> None:
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")  # the server's own
    shop = accounts.make(
        "shop",
        appid="wxshop0123456789ab",
        appsecret="0123456789abcdef",
        unsubscribe_words=["退订"],
    )

    assert words in (keywords_of(shop, language).meaning_of("退订").reply or "")
