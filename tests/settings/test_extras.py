"""Loggers whose libraries are not there."""

from __future__ import annotations

import pytest

from timepro_lit.settings.extras import EXTRAS, missing_extras

CSV = {"_target_": "lightning.pytorch.loggers.CSVLogger"}


@pytest.mark.parametrize("target", EXTRAS)
def test_a_missing_library_is_named_with_what_brings_it(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("timepro_lit.settings.extras.find_spec", lambda name: None)
    [fault] = missing_extras({"csv": CSV, "mine": {"_target_": target}})
    extra, _ = EXTRAS[target]
    assert fault == f"logger.mine: needs the extra {extra}: pip install 'timepro_lit[{extra}]'"


def test_one_of_several_libraries_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("timepro_lit.settings.extras.find_spec", lambda name: name == "tensorboardX" or None)
    assert [*missing_extras({"board": {"_target_": "lightning.pytorch.loggers.TensorBoardLogger"}})] == []
