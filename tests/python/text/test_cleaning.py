"""What a model reads of a text."""

from __future__ import annotations

import time

import pytest

from python_ml.text.cleaning import readable


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (None, None),
        ("", None),
        (" \t\r\n\u00a0\u200b ", None),
        ("<p></p><br/>", None),
        ("<script>var x = 1;</script><style>p {}</style>", None),
        ("Hello", "Hello"),
        ("two\n\n  lines ", "two lines"),
        ("<p>Where is <b>my</b> order?</p><p>Jo</p>", "Where is my order? Jo"),
        ("Tom &amp; Jerry &euro;5 &#39;ok&#39;", "Tom & Jerry €5 'ok'"),
        ("5 < 6 and 7 > 3", "5 < 6 and 7 > 3"),
        ("I <3 it", "I <3 it"),
        ("a<br>b", "a b"),
        ("bell\x07 and null\x00", "bell and null"),
        ("family 👨‍👩‍👧 ok", "family 👨‍👩‍👧 ok"),
        ("e\u0301te\u0301", "été"),
        ("配送が遅い。", "配送が遅い。"),
        ("<p>unclosed <b>markup", "unclosed markup"),
    ],
)
def test_what_is_read(text: str | None, read: str | None) -> None:
    assert readable(text) == read


def test_long_texts_are_cut_and_quick_to_read() -> None:
    assert readable("word " * 10_000, longest=11) == "word word w"
    start = time.process_time()
    for hostile in ("<" * 1_000_000, "<a " * 400_000, "&" * 1_000_000, " " * 1_000_000, "<p>" * 400_000):
        readable(hostile)
    assert time.process_time() - start < 20  # seconds; quadratic work would take hours
