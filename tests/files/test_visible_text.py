from __future__ import annotations

from timepro_lit.files.visible_text import visible


def test_visible_escapes_what_would_hide_or_break() -> None:
    assert visible("a\0\x1b\r\u2028\u202e\ud800b\n\tü犬") == "a\\x00\\x1b\\r\\u2028\\u202e\\ud800b\n\tü犬"
    assert visible("abcdef", max_chars=3) == "abc … (6 characters in all)"
    assert visible("abcdef", max_chars=None) == "abcdef"
