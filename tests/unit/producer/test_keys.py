"""The key of a broadcast: what can be kept as one."""

from __future__ import annotations

import pytest

from broadcast.errors import BroadcastError, InputError
from producer.submit.order import checked_key


@pytest.mark.parametrize("key", ["", "  ", "k" * 129, "a\nb", "a\x00"])
def test_a_key_that_cannot_be_kept_is_refused(key: str) -> None:
    with pytest.raises(InputError) as caught:
        checked_key(key)
    assert isinstance(caught.value, BroadcastError)


def test_a_key_may_be_128_characters_of_any_language() -> None:
    assert checked_key("周" * 128) == "周" * 128
