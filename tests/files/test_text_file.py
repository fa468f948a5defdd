from __future__ import annotations

from pathlib import Path

import pytest

from timepro_lit.files.json_object import read_lines
from timepro_lit.files.text_file import open_utf8, opened_text

TEXT = "Tür\tquiet\r\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_mark_at_the_start_says_the_encoding(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(TEXT.encode(encoding))
    with opened_text(tmp_path / "a", newline="") as text:
        assert text.read() == TEXT


@pytest.mark.parametrize("mark", [b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff"])
def test_both_orders_of_bytes_are_read(mark: bytes, tmp_path: Path) -> None:
    encoding = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}.get(mark, "utf-32-be")
    (tmp_path / "a").write_bytes(mark + TEXT.encode(encoding))
    with open_utf8(tmp_path / "a") as content:
        assert content.read() == TEXT.encode()


@pytest.mark.parametrize(
    "content",
    [TEXT.encode("latin-1"), TEXT.encode("utf-16-le"), b"\xff\xfeo", b"\xff\xfe\0\xd8", b"PK\3\4\xff\xfe", b"a\n\xff"],
)
def test_what_is_no_text_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(content)
    with (
        pytest.raises(ValueError, match=r"/a: is no text in UTF-8; save it as UTF-8"),
        opened_text(tmp_path / "a") as text,
    ):
        text.read()


def test_lines_of_json_are_read_in_any_of_them(tmp_path: Path) -> None:
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        (tmp_path / "a").write_text('{"id": "T\u00fcr"}\n\n{"id": "b"}\n', encoding=encoding)
        assert [row["id"] for _, row in read_lines(tmp_path / "a", 100)] == ["Tür", "b"]
    (tmp_path / "a").write_bytes(b'{"id": "a"}\n{"id": "\xff"}\n')
    with pytest.raises(ValueError, match=":2: not a JSON object"):
        list(read_lines(tmp_path / "a", 100))
