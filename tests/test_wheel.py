"""The wheel holds what is needed to run, and runs where there is no checkout."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SMALL = (
    "sizes.data.num_clips={train: 12, val: 2, test: 3}", "task=[ag]", "stage=[sft]", "name=small",
    "sizes.sft.max_steps=2", "sizes.sft.batch_size=4", "sizes.sft.micro_batch_size=2", "sizes.sft.val_check_interval=2",
)  # fmt: skip


def run(*command: str | Path, cwd: Path) -> str:
    """Its standard output; PYTHONPATH, which may name the checkout, is not passed on."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


def build(what: str, folder: Path) -> Path:
    """The one file that `hatchling build` writes."""
    run(sys.executable, "-m", "hatchling", "build", "-t", what, "-d", folder, cwd=ROOT)
    (file,) = folder.iterdir()
    return file


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", tmp_path_factory.mktemp("wheel"))


def files(folder: Path, suffixes: Sequence[str] = ()) -> set[str]:
    found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix() for path in found if not suffixes or path.suffix in suffixes}


def test_the_wheel_holds_the_package_and_conf(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    package = {f"timepro_lit/{name}" for name in files(ROOT / "src/timepro_lit")}
    conf = {f"timepro_lit/conf/{name}" for name in files(ROOT / "conf")}
    assert {"timepro_lit/py.typed", "timepro_lit/assets/tiny_base/model.safetensors"} <= package
    assert {"timepro_lit/conf/train.yaml", "timepro_lit/conf/data/soundscapes.yaml"} <= conf
    assert {name for name in inside if ".dist-info/" not in name} == package | conf
    licences = {name.rpartition("/")[2] for name in inside if "/licenses/" in name}
    assert licences == {"LICENSE", "THIRD_PARTY_NOTICES.md"}


def test_the_notices_name_whatever_is_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [of for name, of in project["optional-dependencies"].items() if name not in ("test", "dev")]
    names = {re.split(r"[^\w-]", requirement)[0] for requirement in chain(project["dependencies"], *extras)}
    notices = (ROOT / "THIRD_PARTY_NOTICES.md").read_text()
    assert {name for name in names if not re.search(rf"\b{name}\b", notices)} == set()


def test_the_source_distribution_holds_what_the_checkout_holds(tmp_path: Path) -> None:
    with tarfile.open(build("sdist", tmp_path)) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "LICENSE", "README.md", "THIRD_PARTY_NOTICES.md", "Makefile",
        "constraints.txt", "pyproject.toml", "conf/train.yaml", "docs/corpora.md", "tests/conftest.py",
    } <= inside  # fmt: skip


def test_an_editable_installation_has_no_conf_of_its_own(tmp_path: Path) -> None:
    program = f"import hatchling.build; hatchling.build.build_editable({str(tmp_path)!r})"
    run(sys.executable, "-c", program, cwd=ROOT)
    (file,) = tmp_path.iterdir()
    names = {name for name in zipfile.ZipFile(file).namelist() if ".dist-info/" not in name}
    assert names == {"_timepro_lit.pth"}
    assert zipfile.ZipFile(file).read("_timepro_lit.pth").decode() == str(ROOT / "src")


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of an environment with the wheel, and with the libraries of this one, but not with its editable installation."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    (site,) = folder.glob("lib/*/site-packages")
    # A folder that is named in a .pth file is searched, but the .pth files in it, such as ours, are not read.
    libraries = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site / "libraries.pth").write_text("\n".join(sorted(libraries)))
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--no-index", "--no-deps", "--quiet")
    run(*pip, "--ignore-installed", wheel, cwd=folder)
    return python


def test_the_script_of_an_installed_wheel_reads_the_packages_conf(python: Path, tmp_path: Path) -> None:
    said = run(python.with_name("timepro"), "--cfg", "job", "--resolve", "--package", "paths", cwd=tmp_path)
    assert f"root: {tmp_path}\n" in said
    assert f"outputs: {tmp_path}/outputs\n" in said
    (assets,) = python.parents[1].glob("lib/*/site-packages/timepro_lit/assets")
    assert f"assets: {assets}\n" in said
    assert "+experiment=" in run(python.with_name("timepro"), "--help", cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_an_installed_wheel_trains_predicts_and_scores(python: Path, tmp_path: Path) -> None:
    def door(name: str, *arguments: str) -> str:
        return run(python, "-m", f"timepro_lit.{name}", *arguments, cwd=tmp_path)

    assert "mIoU" in door("train", *SMALL)
    (trained,) = (tmp_path / "outputs/small").iterdir()
    assert (trained / "report.html").exists()
    (test,) = (tmp_path / "data").rglob("test*.jsonl")
    answers = trained / "evaluation/sft/predictions.jsonl"
    assert "mIoU" in door("score", "task=ag", f"predictions={answers}", f"references={test}", "output_dir=scores")
    reported = json.loads((trained / "report.json").read_text())["scores"]["sft"]["ag"]["mIoU"]
    assert json.loads((tmp_path / "scores/scores.json").read_text())["mIoU"] == pytest.approx(reported)
    (clip, *_) = sorted((tmp_path / "data").rglob("test-*.flac"))
    door("predict", f"checkpoint={trained}", f"audio={clip}", "task=ag", "query=a dog barks", "output_dir=answers")
    assert len((tmp_path / "answers/predictions.jsonl").read_text().splitlines()) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"data", "outputs", "scores", "answers"}
