"""A run directory is read where it was written, and where only it, or the whole project, has been moved to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from timepro_lit.runs.directory import claimed_run
from timepro_lit.settings import stored
from timepro_lit.settings.schemas import CONF, register
from timepro_lit.settings.stored import paths_here, read_settings, to_store


@pytest.fixture(autouse=True, scope="module")
def hydra_at_conf() -> Iterator[None]:
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield


def store(directory: Path, root: str | Path, *overrides: str) -> str:
    """A run directory with the settings of a project that lies at `root`; the text of its config.yaml."""
    places = [f"paths.root={root}", f"paths.assets={root}/assets", f"output_dir={directory}"]
    cfg = compose("train", ["+experiment=ablation_astp", *places, *overrides])
    with claimed_run(directory, to_store(cfg)):
        return (directory / "config.yaml").read_text()


def folders(settings: dict[str, Any]) -> tuple[str, str]:
    return settings["data"]["corpus"]["folder"], settings["model"]["checkpoint"]


def test_folders_are_stored_as_references_and_the_run_s_own_place_is_not(tmp_path: Path) -> None:
    text = store(tmp_path / "run", "/elsewhere/timepro", "data.corpus.folder=${paths.data}/more")
    assert "folder: ${paths.data}/more" in text
    assert "checkpoint: ${paths.assets}/tiny_base" in text
    assert "output_dir" not in text
    paths = OmegaConf.create(text).paths
    assert paths == {
        "root": "/elsewhere/timepro", "assets": "/elsewhere/timepro/assets", "data": "/elsewhere/timepro/data",
        "outputs": "/elsewhere/timepro/outputs",
    }  # fmt: skip
    assert text.count("/elsewhere") == len(paths)


def test_folders_that_are_gone_are_those_of_this_machine(tmp_path: Path) -> None:
    store(tmp_path / "run", "/elsewhere/timepro")
    settings, here = read_settings(tmp_path / "run"), paths_here()
    assert folders(settings) == (here["data"], f"{here['assets']}/tiny_base")
    assert settings["paths"] == here


def test_folders_that_are_there_are_kept(tmp_path: Path) -> None:
    (tmp_path / "old" / "data").mkdir(parents=True)
    store(tmp_path / "run", tmp_path / "old")
    settings = read_settings(tmp_path / "run")
    assert folders(settings) == (f"{tmp_path}/old/data", f"{paths_here()['assets']}/tiny_base")


def test_a_project_that_was_moved_reads_its_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store(tmp_path / "old" / "outputs" / "run", tmp_path / "old")
    (tmp_path / "old").rename(tmp_path / "new")
    here = {name: f"{tmp_path}/new/{name}" for name in ("assets", "data", "outputs")}
    monkeypatch.setattr(stored, "paths_here", lambda: here | {"root": f"{tmp_path}/new"})
    settings = read_settings(tmp_path / "new" / "outputs" / "run")
    assert folders(settings) == (f"{tmp_path}/new/data", f"{tmp_path}/new/assets/tiny_base")


def test_a_run_that_was_moved_is_the_same_run(tmp_path: Path) -> None:
    store(tmp_path / "here", "/here")
    (tmp_path / "here" / "finished.json").write_text("{}")
    (tmp_path / "here").rename(tmp_path / "there")
    store(tmp_path / "there", "/there")
    with pytest.raises(ValueError, match=r"other settings: seed \(1 there, 2 now\)"):
        store(tmp_path / "there", "/there", "seed=2")


def test_older_runs_hold_their_folders_as_they_were(tmp_path: Path) -> None:
    data = {"_target_": "timepro_lit.lit.datamodule.prepared_folder", "folder": "/elsewhere/data"}
    old = {"data": data, "output_dir": "/elsewhere/run", "paths": {"data": "/elsewhere/data"}}
    old |= {"model": {"_target_": "timepro_lit.lalm.tiny.Tiny"}, "time_prompt": None, "task": {}, "trainer": {}}
    old |= {"lora": None, "stage": {}, "name": None, "scale": "paper", "seed": 1}
    (tmp_path / "config.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(old)))
    assert read_settings(tmp_path)["data"]["folder"] == "/elsewhere/data"


def test_no_reference_comes_out_of_another(tmp_path: Path) -> None:
    store(tmp_path / "run", "/elsewhere")
    path = tmp_path / "run" / "config.yaml"
    text, *_ = path.read_text().partition("# sha256")  # whoever means harm leaves no checksum
    text = text.replace("${paths.assets}/tiny_base", "'${paths.dollar}{oc.env:HOME}'")
    path.write_text(text.replace("paths:\n", "paths:\n  dollar: $\n"))
    with pytest.raises(ValueError, match=r"model\.checkpoint is '\$\{oc\.env:HOME\}'"):
        read_settings(tmp_path / "run")


def test_a_folder_without_settings_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"is no run directory: it holds no config\.yaml"):
        read_settings(tmp_path)


def test_the_folders_of_this_installation() -> None:
    here = paths_here()
    assert list(here) == ["root", "assets", "data", "outputs"]
    assert here["data"] == f"{here['root']}/data"
    assert (Path(here["assets"]) / "tiny_base" / "config.json").is_file()
