"""Why a file cannot be read, and which drafts have one title, are said in the reader's language."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from broadcast.errors import ContentError, InputError, of_file
from broadcast.rules.accounts import Account
from broadcast.rules.campaigns.template import Template
from broadcast.views.texts import Texts
from entrypoints.cli import content_options
from producer import draft_box
from producer.campaigns import campaign_drafts


def test_a_file_that_is_missing_is_so_in_chinese(tmp_path: Path) -> None:
    with pytest.raises(ContentError) as error:
        content_options.ContentOptions(text_file=[str(tmp_path / "none.txt")]).read(limit=600)

    assert "（没有这个文件或目录）" in Texts("zh")(error.value.message)
    assert "(No such file or directory)" in Texts("en")(error.value.message)


@pytest.mark.parametrize(
    "number", [errno.ENOENT, errno.EACCES, errno.EISDIR, errno.ENOSPC, errno.EROFS]
)
def test_a_common_error_of_a_file_is_that_of_the_system_in_english(number: int) -> None:
    why = of_file(OSError(number, os.strerror(number)))

    assert not isinstance(why, str)
    assert Texts("en")(why) == os.strerror(number)
    assert not Texts("zh")(why).isascii()


def test_a_rare_error_of_a_file_is_in_the_words_of_the_system() -> None:
    assert of_file(OSError(errno.ELOOP, "Too many levels")) == "Too many levels"
    assert of_file(OSError()) == "OSError"


def test_drafts_of_one_title_are_listed_with_the_comma_of_the_language(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drafts = [SimpleNamespace(media_id=one) for one in ("AAA", "BBB")]
    monkeypatch.setattr(draft_box, "titled", lambda *_: (None, drafts))
    account = cast("Account", SimpleNamespace(name="shop"))
    template = Template(request={"content": {}}, draft_title="上新")

    with pytest.raises(InputError) as error:
        campaign_drafts.rehearsed(template, account, wechat=cast("Any", None))

    assert "AAA、BBB" in Texts("zh")(error.value.message)
    assert "AAA, BBB" in Texts("en")(error.value.message)
