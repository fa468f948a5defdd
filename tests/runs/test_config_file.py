"""config.yaml of a run directory, as it may come from anybody."""

from __future__ import annotations

from pathlib import Path

import pytest

from timepro_lit.runs.config_file import read_config, write_config


def test_references_to_its_own_paths_are_left(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("a: ${paths.data}/x\npaths: {data: /d}")
    assert read_config(tmp_path) == {"a": "${paths.data}/x", "paths": {"data": "/d"}}


def test_settings_that_were_changed_are_refused_until_the_change_is_meant(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    write_config(tmp_path, {"seed": 1, "paths": {}})
    assert read_config(tmp_path) == {"seed": 1, "paths": {}}
    changed = path.read_text().replace("seed: 1", "seed: 9")
    path.write_text(changed)
    with pytest.raises(ValueError, match=r"config\.yaml is damaged or was changed"):
        read_config(tmp_path)
    path.write_text("\n".join(changed.splitlines()[:-1]))
    assert read_config(tmp_path)["seed"] == 9


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: ${oc.env:HOME}\npaths: {data: /d}", "a is '${oc.env:HOME}', but settings in a folder may refer to"),
        ("a: [{b: '${paths.data}${oc.env:HOME}'}]\npaths: {data: /d}", "a[0].b is"),
        ("a: ${paths.${oc.env:HOME}}\npaths: {data: /d}", "a is"),
        ("a: ${paths.outputs}\npaths: {data: /d}", "may refer to ${paths.data}"),
        ("a: ${seed}\nseed: 1\npaths: {}", "may refer to nothing else"),
        ("paths: {data: '${oc.env:HOME}'}", "paths.data is '${oc.env:HOME}', which is no folder"),
        ("paths: {data: 3}", "paths.data is 3, which is no folder"),
        ("- a", "holds no settings of a run"),
        ("a: 1", "holds no settings of a run"),
        ("a: [", "cannot be read"),
        ("a: !!python/object/apply:os.system [touch x]\npaths: {}", "cannot be read"),
    ],
)
def test_whatever_else_it_holds_is_named(text: str, fault: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(ValueError) as refusal:
        read_config(tmp_path)
    assert str(refusal.value).startswith(str(tmp_path / "config.yaml"))
    assert fault in str(refusal.value)
