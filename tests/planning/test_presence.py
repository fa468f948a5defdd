from __future__ import annotations

from timepro_lit.planning.presence import Item, listing


def test_brackets_and_long_paths_are_shown_as_they_are() -> None:
    install, folder = "pip install 'timepro-lit[deepspeed]'", f"/data/{'x' * 200}[/b]"
    lines = listing([Item("m[old]", True, folder), Item("DeepSpeed", False, install)]).splitlines()
    assert lines[0].split() == ["MISSING", "DeepSpeed", *install.split()]
    assert "".join(lines[1:]).replace(" ", "") == f"therem[old]{folder}"
