"""Bodies of pushes: WeChat's fields from XML and JSON, and nothing that refers or expands."""

from __future__ import annotations

import tracemalloc

import pytest

from broadcast.wechat.callback import Refusal, RefusedError
from broadcast.wechat.callback.push_body import MOST_BYTES, Form, read, written

FINISHED = """<xml><ToUserName><![CDATA[gh_0123456789ab]]></ToUserName>
<FromUserName><![CDATA[oHELP00000000000000000000mph]]></FromUserName>
<CreateTime>1700000300</CreateTime><MsgType><![CDATA[event]]></MsgType>
<Event><![CDATA[MASSSENDJOBFINISH]]></Event><MsgID>3147494276</MsgID>
<CopyrightCheckResult><Count>0</Count><ResultList></ResultList></CopyrightCheckResult>
<ArticleUrlResult><Count>2</Count><ResultList>
<item><ArticleIdx>1</ArticleIdx><ArticleUrl><![CDATA[http://a/?x=1&y]]></ArticleUrl></item>
<item><ArticleIdx>2</ArticleIdx><ArticleUrl><![CDATA[http://b]]></ArticleUrl></item>
</ResultList></ArticleUrlResult></xml>"""
LAUGHS = (
    '<!DOCTYPE x [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY a{n} "{"&a;" * 10}">' for n in range(9))
    + "]><xml><a>&a8;</a></xml>"
)


def refusal(body: bytes) -> Refusal:
    with pytest.raises(RefusedError) as caught:
        read(body)
    return caught.value.refusal


def test_the_fields_of_an_event_are_read() -> None:
    document = read(FINISHED.encode())

    assert document.form is Form.XML
    assert document.text == FINISHED
    assert document.fields["MsgID"] == "3147494276"
    assert document.fields["CopyrightCheckResult"] == {"Count": "0", "ResultList": ""}
    assert document.fields["ArticleUrlResult"]["ResultList"]["item"] == [
        {"ArticleIdx": "1", "ArticleUrl": "http://a/?x=1&y"},
        {"ArticleIdx": "2", "ArticleUrl": "http://b"},
    ]


def test_text_is_kept_as_it_is() -> None:
    fields = {"Content": " 退订 \n]]> <b>&amp;", "Emoji": "😀", "Empty": ""}

    assert read(written(fields, Form.XML)).fields == fields


def test_json_is_read() -> None:
    document = read(' {"MsgID": 3147494276, "ResultList": null, "Event": "退订"}'.encode())

    assert document.form is Form.JSON
    assert document.fields == {"MsgID": 3147494276, "ResultList": None, "Event": "退订"}


def test_what_is_written_as_json_is_read_again() -> None:
    fields: dict[str, str | int] = {"Content": "退订 ]]>", "CreateTime": 1700000000}

    assert read(written(fields, Form.JSON)).fields == fields


@pytest.mark.parametrize(
    "body",
    [
        LAUGHS,
        '<!DOCTYPE x SYSTEM "file:///etc/passwd"><xml><a>b</a></xml>',
        '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><xml><a>&a;</a></xml>',
        '<!DOCTYPE x [<!ENTITY % a SYSTEM "http://127.0.0.1/a.dtd">%a;]><xml/>',
        '<!DOCTYPE x [<!ENTITY a "b">]><xml><a>&a;</a></xml>',
        "<!DOCTYPE xml><xml><a>b</a></xml>",
        "<xml><a>&unknown;</a></xml>",
        "<xml>" + "<a>" * 11 + "</a>" * 11 + "</xml>",
        "<xml>" + "<a>" * 60_000,
        "<html><a>b</a></html>",
        "<xml><a>b</a>",
        "<xml><a>b</a></xml><xml/>",
        "<xml>&#0;</xml>",
        "<xml>\x00</xml>",
        "",
        " ",
        "success",
        "[1]",
        '{"a": ',
        "{}{}",
        '{"a": "\\u0000"}',
        '{"\\u0000": "a"}',
        '{"a": "\\ud800"}',
        '{"a": NaN}',
        '{"a":' * 11 + "1" + "}" * 11,
        '{"a":' * 50_000,
    ],
    ids=lambda body: body[:40].encode("ascii", "backslashreplace").decode(),
)
def test_anything_else_is_refused(body: str) -> None:
    assert refusal(body.encode()) is Refusal.BODY


@pytest.mark.parametrize(
    "body",
    [
        b"<xml>\xff</xml>",
        b"<xml>\xed\xa0\x80</xml>",
        b'{"a": "\xff"}',
        '<?xml version="1.0" encoding="utf-16"?><xml/>'.encode("utf-16"),
        b'<?xml version="1.0" encoding="gbk"?><xml><a>\xcd\xcb\xb6\xa9</a></xml>',
    ],
)
def test_only_utf8_is_read(body: bytes) -> None:
    assert refusal(body) is Refusal.BODY


def test_a_body_that_is_too_long_is_not_looked_at() -> None:
    tracemalloc.start()

    assert refusal(b"<xml><a>" + b"b" * MOST_BYTES + b"</a></xml>") is Refusal.BODY

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * MOST_BYTES


def test_the_longest_body_is_read() -> None:
    frame = b"<xml><a></a></xml>"
    inside = b"b" * (MOST_BYTES - len(frame))

    assert read(frame.replace(b"></", b">" + inside + b"</", 1)).fields == {"a": inside.decode()}
