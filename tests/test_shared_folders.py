"""A shared folder is data, not code: what it names is refused at every door in one sentence, and nothing of it runs.

`TRACE` in a payload is a file that running it would make; `VICTIM` one that it would remove.
"""

from __future__ import annotations

import importlib
import itertools
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.utils import instantiate
from omegaconf import OmegaConf

import timepro_lit

Node = dict[str, Any]

LIVE: dict[str, Node] = {
    "os.mkdir": {"path": "TRACE"},
    "torch.hub.load": {"repo_or_dir": "BAIT", "model": "evil", "source": "local"},
    "torch.load": {"f": "BAIT/evil.pickle", "weights_only": False},
    "numpy.load": {"file": "BAIT/evil.npy", "allow_pickle": True},
    "builtins.open": {"file": "TRACE", "mode": "w"},
    "io.FileIO": {"file": "TRACE", "mode": "w"},
    "pathlib.Path.touch": {"_args_": [{"_target_": "pathlib.Path", "_args_": ["TRACE"]}]},
    "pathlib.Path.write_text": {"_args_": [{"_target_": "pathlib.Path", "_args_": ["TRACE"]}, "x"]},
    "shutil.copyfile": {"src": "BAIT/hubconf.py", "dst": "TRACE"},
    "timepro_lit.files.atomic.write_atomically": {
        "path": {"_target_": "pathlib.Path", "_args_": ["TRACE"]},
        "text": "x",
    },
    "timepro_lit.lalm.checkpoint.Path.touch": {"_args_": [{"_target_": "pathlib.Path", "_args_": ["TRACE"]}]},
}
"""Of these it is seen that they do what they are for."""
OTHERS: dict[str, Node] = {
    # Newer versions of Hydra refuse some of these by themselves.
    "subprocess.check_call": {"args": ["touch", "TRACE"]},
    "os.system": {"command": "touch TRACE"},
    "builtins.exec": {"_args_": ["open('TRACE', 'w')"]},
    "builtins.eval": {"_args_": ["open('TRACE', 'w')"]},
    "runpy.run_path": {"path_name": "BAIT/hubconf.py"},
    "timeit.timeit": {"stmt": "open('TRACE', 'w')", "number": 1},
    "shutil.rmtree": {"path": "VICTIM"},
    "hydra.utils.call": {"_args_": [{"_target_": "os.system", "command": "touch TRACE"}]},
    "subprocess.Popen": {"args": ["touch", "TRACE"]},
    "importlib.import_module": {"name": "hubconf"},
    "hydra.utils.instantiate": {"config": {"_target_": "os.system", "command": "touch TRACE"}},
    "functools.partial": {"_args_": [{"_target_": "os.system", "_partial_": True}, "touch TRACE"]},
    "operator.methodcaller": {"_args_": ["touch"]},
    "pickle.load": {"file": {"_target_": "builtins.open", "file": "BAIT/evil.pickle", "mode": "rb"}},
    "transformers.pipeline": {"model": "BAIT", "trust_remote_code": True},
    "transformers.AutoModel.from_pretrained": {"pretrained_model_name_or_path": "BAIT", "trust_remote_code": True},
    "timepro_lit.metrics.meteor_process.MeteorProcess": {
        "command": ["touch", "TRACE"], "start_timeout_s": 1.0, "timeout_s": 1.0,
    },
    "timepro_lit.metrics.meteor.Meteor": {"command": ["touch", "TRACE"]},
    "timepro_lit.lalm.checkpoint.json.loads": {"s": "{}"},
    "timepro_lit.lalm.tiny.write_random_checkpoint": {"folder": "TRACE", "texts": [], "vocab_size": 9, "seed": 0},
    "lightning.pytorch.callbacks.LambdaCallback": {"setup": {"_target_": "os.system", "_partial_": True}},
    "lightning.pytorch.callbacks.ModelCheckpoint": {"dirpath": "TRACE"},
    "lightning.pytorch.profilers.AdvancedProfiler": {"dirpath": "TRACE"},
    "timepro_lit": {},
    "": {},
}  # fmt: skip
PAYLOADS = LIVE | OTHERS


def put(settings: Node, *keys: str | int, node: Node) -> None:
    inside: Any = settings
    for key in keys[:-1]:
        inside = inside[key]
    inside[keys[-1]] = node


PLACES: dict[str, Callable[[Node, Node], None]] = {
    "model": lambda s, node: put(s, "model", node=node),
    "model.checkpoint": lambda s, node: put(s, "model", "checkpoint", node=node),
    "model._args_": lambda s, node: put(s, "model", "_args_", node=[node]),
    "time_prompt": lambda s, node: put(s, "time_prompt", node=node),
    "time_prompt.unknown": lambda s, node: put(s, "time_prompt", "unknown", node={"a": [[{"b": node}]]}),
    "task.ag": lambda s, node: put(s, "task", "ag", node=node),
    "task.sed.classes[0]": lambda s, node: put(s, "task", "sed", "classes", 0, node=node),
    "unknown": lambda s, node: put(s, "unknown", node={"a": node}),
    "trainer": lambda s, node: put(s, "trainer", node=node),
    "trainer.callbacks": lambda s, node: put(s, "trainer", "callbacks", node=[node]),
    "trainer.strategy": lambda s, node: put(s, "trainer", "strategy", node=node),
    "data": lambda s, node: put(s, "data", node=node),
    "data.corpus.folder": lambda s, node: put(s, "data", node={"corpus": {"folder": node}}),
    "reward": lambda s, node: put(s, "reward", node=node),
    "stage.sft": lambda s, node: put(s, "stage", node={"sft": node}),
    "stage.sft.module": lambda s, node: put(s, "stage", node={"sft": {"module": node}}),
    "callbacks.x": lambda s, node: put(s, "callbacks", node={"x": node}),
    "logger.x": lambda s, node: put(s, "logger", node={"x": node}),
    "paths.x": lambda s, node: put(s, "paths", node={"x": node}),
}
DOORS: dict[str, list[str]] = {
    "predict": ["checkpoint=RUN", "audio=RUN/config.yaml", "task=dac", "output_dir=OUT"],
    "evaluate": ["run=RUN"],
    "export": ["run=RUN", "output_dir=OUT"],
    "report": ["runs=[RUN]", "output_dir=OUT"],
}


class Touching:
    """Its pickle makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.path), "w")


@pytest.fixture
def bait(tmp_path: Path) -> Path:
    """A folder of what payloads load."""
    bait = tmp_path / "bait"
    bait.mkdir()
    trace = tmp_path / "trace"
    (bait / "hubconf.py").write_text(f"open({str(trace)!r}, 'w')\ndef evil(): ...\n")
    (bait / "evil.pickle").write_bytes(pickle.dumps(Touching(trace), protocol=2))
    np.save(bait / "evil.npy", np.array([Touching(trace)], dtype=object), allow_pickle=True)
    (bait / "config.json").write_text(json.dumps({"model_type": "evil", "auto_map": {"AutoConfig": "hubconf.Evil"}}))
    (tmp_path / "victim").mkdir()
    return bait


def payload(name: str, tmp_path: Path) -> Node:
    """The node that calls `name` with folders of this test."""
    text = json.dumps({"_target_": name} | PAYLOADS[name])
    for word in ("trace", "victim", "bait"):
        text = text.replace(word.upper(), str(tmp_path / word))
    node: Node = json.loads(text)
    return node


def nothing_ran(tmp_path: Path) -> bool:
    return not (tmp_path / "trace").exists() and (tmp_path / "victim").exists()


def with_exported(shared: Path, tmp_path: Path, change: Callable[[Node], None]) -> Path:
    """A copy of the exported folder whose settings were changed."""
    copy = Path(shutil.copytree(shared / "exported", tmp_path / "copy"))
    (copy / "checksums.json").unlink()  # as whoever means it does
    settings = json.loads((copy / "timepro_lit.json").read_text())
    change(settings)
    (copy / "timepro_lit.json").write_text(json.dumps(settings))
    return copy


def with_run(shared: Path, tmp_path: Path, change: Callable[[Node], None]) -> Path:
    """A copy of the run directory whose settings were changed."""
    copy = Path(shutil.copytree(shared / "run", tmp_path / "copy"))
    settings: Any = OmegaConf.to_container(OmegaConf.load(copy / "config.yaml"))
    change(settings)
    OmegaConf.save(OmegaConf.create(settings), copy / "config.yaml")
    return copy


def said_by(door: str, run: Path, tmp_path: Path, monkeypatch: Any, capsys: Any, *more: str) -> str:
    """What a refused command says."""
    arguments = [a.replace("RUN", str(run)).replace("OUT", str(tmp_path / "out")) for a in DOORS[door]]
    monkeypatch.setattr("sys.argv", [f"timepro_lit.{door}", *arguments, *more])
    capsys.readouterr()
    GlobalHydra.instance().clear()
    with pytest.raises(SystemExit):
        importlib.import_module(f"timepro_lit.{door}").main()
    said: str = capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    return said


@pytest.mark.parametrize("name", LIVE)
def test_the_payloads_are_live(name: str, bait: Path, tmp_path: Path) -> None:
    try:
        instantiate(payload(name, tmp_path), _convert_="all")
    except Exception as error:  # what comes after the harm
        print(error)
    assert not nothing_ran(tmp_path)


def test_the_folders_are_loaded_as_they_are(shared: Path) -> None:
    for folder in ("run", "exported"):
        assert sorted(timepro_lit.load(shared / folder, device="cpu").tasks) == ["ag", "dac", "sed"]


@pytest.mark.parametrize(("name", "place"), list(zip(PAYLOADS, itertools.cycle(PLACES), strict=False)))
def test_an_exported_folder_runs_nothing(name: str, place: str, shared: Path, bait: Path, tmp_path: Path) -> None:
    for key in ("model", place):
        folder = with_exported(shared, tmp_path, lambda s, key=key: PLACES[key](s, payload(name, tmp_path)))
        with pytest.raises(ValueError) as refusal:
            timepro_lit.load(folder, device="cpu")
        assert str(refusal.value).startswith(f"{folder / 'timepro_lit.json'}: ")
        assert "\n" not in str(refusal.value)
        assert nothing_ran(tmp_path)
        shutil.rmtree(folder)


@pytest.mark.parametrize("place", PLACES)
def test_a_run_directory_runs_nothing(place: str, shared: Path, bait: Path, tmp_path: Path) -> None:
    folder = with_run(shared, tmp_path, lambda s: PLACES[place](s, payload("os.system", tmp_path)))
    with pytest.raises(ValueError) as refusal:
        timepro_lit.load(folder, device="cpu")
    assert str(refusal.value).startswith(f"{folder / 'config.yaml'}: ")
    assert place.split("[")[0].removesuffix("._args_") in str(refusal.value)
    assert nothing_ran(tmp_path)


CASES = list(zip(PAYLOADS, itertools.cycle(reversed(PLACES)), itertools.cycle(DOORS), strict=False))


@pytest.mark.parametrize(("name", "place", "door"), CASES)
def test_no_door_runs_anything(
    name: str, place: str, door: str, shared: Path, bait: Path, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    folder = with_run(shared, tmp_path, lambda s: PLACES[place](s, payload(name, tmp_path)))
    said = said_by(door, folder, tmp_path, monkeypatch, capsys)
    assert said.startswith(f"error: {folder / 'config.yaml'}: ")
    assert len(said.splitlines()) == 1
    assert nothing_ran(tmp_path)


@pytest.mark.parametrize("door", DOORS)
def test_a_door_reads_no_environment(
    door: str, shared: Path, bait: Path, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.setenv("SECRET", "hush")
    folder = with_run(shared, tmp_path, lambda s: s["model"].update(checkpoint="${oc.env:SECRET}"))
    said = said_by(door, folder, tmp_path, monkeypatch, capsys)
    assert "model.checkpoint is '${oc.env:SECRET}', but settings in a folder may refer to ${paths.root}" in said
    assert "hush" not in said


@pytest.mark.parametrize("door", DOORS)
def test_what_is_trusted_by_name_goes_on(
    door: str, shared: Path, bait: Path, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    mine = {"_target_": "mine.Reward", "a": {"_target_": "os.system"}}
    folder = with_run(shared, tmp_path, lambda s: s.update(reward=mine))
    said = said_by(door, folder, tmp_path, monkeypatch, capsys)
    assert "reward._target_ names 'mine.Reward'" in said and said.endswith("allow it: trust=['mine.Reward']\n")
    said = said_by(door, folder, tmp_path, monkeypatch, capsys, "trust=['mine.Reward']")
    assert "reward.a._target_ names 'os.system'" in said


MISSHAPEN: dict[str, tuple[Callable[[Node], None], str]] = {
    "an unknown key": (lambda s: put(s, "foo", node=1), "'foo' is no key of a run's settings"),
    "a text that is none": (lambda s: put(s, "stage", "sft", "about", node=5), "stage.sft.about is 5, which"),
    "no arguments": (lambda s: put(s, "stage", "sft", "fit", node=True), "stage.sft.fit is True, which"),
    "no module": (lambda s: put(s, "stage", "sft", "module", node=-1), "stage.sft.module is -1, which"),
    "an empty module": (lambda s: put(s, "stage", "sft", "module", node=[]), "stage.sft.module is [], which"),
    "nothing for a key": (lambda s: s.pop("seed"), "holds no seed"),
    "a protocol": (
        lambda s: put(s, "model", "_target_", node="timepro_lit.lalm.checkpoint.Backbone"),
        "model._target_ names 'timepro_lit.lalm.checkpoint.Backbone', which is abstract",
    ),
    "a protocol below": (
        lambda s: put(s, "task", "ag", "_target_", node="timepro_lit.tasks.base.ScoredTask"),
        "task.ag._target_ names 'timepro_lit.tasks.base.ScoredTask', which is abstract",
    ),
    "a base of others": (
        lambda s: put(s, "model", "_target_", node="timepro_lit.lalm.pretrained.Pretrained"),
        "model._target_ names 'timepro_lit.lalm.pretrained.Pretrained', which is abstract",
    ),
}


@pytest.mark.parametrize("case", MISSHAPEN)
def test_what_is_misshapen_is_refused_at_every_door(
    case: str, shared: Path, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    change, fault = MISSHAPEN[case]
    folder = with_run(shared, tmp_path, change)
    with pytest.raises(ValueError) as refusal:
        timepro_lit.load(folder, device="cpu")
    assert str(refusal.value).startswith(f"{folder / 'config.yaml'}: {fault}")
    for door in ("evaluate", "report"):
        assert said_by(door, folder, tmp_path, monkeypatch, capsys) == f"error: {refusal.value}\n"


@pytest.mark.parametrize(
    ("key", "target", "kind"),
    [
        ("data", "timepro_lit.data.corpora.soundscapes.Soundscapes", "timepro_lit.lit.datamodule.ClipDataModule"),
        ("data.corpus", "timepro_lit.data.corpora.ftar.Ftar", "timepro_lit.data.corpora.prepared.Corpus"),
        ("data.corpus", "timepro_lit.tasks.grounding.Grounding", "timepro_lit.data.corpora.prepared.Corpus"),
        ("data.tasks.ag", "timepro_lit.tasks.brackets.Group", "timepro_lit.tasks.base.Task"),
        ("task.ag", "timepro_lit.tasks.reading.Reading", "timepro_lit.tasks.base.Task"),
        ("model", "timepro_lit.lalm.lora.LoRA", "timepro_lit.lalm.checkpoint.Backbone"),
        ("time_prompt", "timepro_lit.time_prompt.grid.TimeGrid", "timepro_lit.time_prompt.prompt.TimePrompt"),
        ("stage.sft.module", "timepro_lit.grpo.loss.AnswerMean", "collections.abc.Callable"),
        ("trainer", "lightning.pytorch.strategies.DDPStrategy", "lightning.pytorch.trainer.trainer.Trainer"),
    ],
)
def test_a_class_of_another_kind_is_not_evaluated(
    key: str, target: str, kind: str, shared: Path, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    folder = with_run(shared, tmp_path, lambda s: put(s, *key.split("."), "_target_", node=target))
    said = said_by("evaluate", folder, tmp_path, monkeypatch, capsys)
    assert f"{key}._target_: {target} makes no {kind}" in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("name", ["../../victim", "a/b", "..", ""])
def test_no_stage_leads_out_of_the_folder(
    name: str, shared: Path, bait: Path, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    folder = with_run(shared, tmp_path, lambda s: s["stage"].update({name: s["stage"]["sft"]}))
    assert f"stage holds {name!r}, which is no name" in said_by("report", folder, tmp_path, monkeypatch, capsys)
    assert nothing_ran(tmp_path)


def test_an_evaluation_writes_nowhere_else(
    shared: Path, bait: Path, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    def elsewhere(settings: Node) -> None:
        settings["data"]["corpus"] |= {"folder": str(tmp_path / "victim"), "num_clips": {"test": 1}}
        settings["data"] |= {"train_split": "test", "validation_split": "test"}

    folder = with_run(shared, tmp_path, elsewhere)
    said = said_by("evaluate", folder, tmp_path, monkeypatch, capsys)
    assert "the run's data would be generated in" in said
    assert said.endswith(f": allow it by paths.data={tmp_path / 'victim'}\n")
    assert list((tmp_path / "victim").iterdir()) == []
    monkeypatch.setattr("timepro_lit.lit.evaluate.key_of", lambda determinants: 8 * "0")
    link = folder / "evaluation-test-00000000"
    link.symlink_to(tmp_path / "bait")
    said = said_by("evaluate", folder, tmp_path, monkeypatch, capsys, f"paths.data={tmp_path / 'victim'}")
    assert said.endswith(f"error: {link} is a link, and nothing is written through it\n")
    assert not (tmp_path / "bait" / "evaluation").exists()


@pytest.mark.parametrize(
    ("checkpoint", "fault"),
    [
        ("BAIT", "bait/config.json: auto_map names code"),
        ("../../..", "no config.json there"),
        ("https://example.org/model", "no config.json there"),
        ("someone/model", "no configuration .* can be loaded"),
        (3, "model.checkpoint: 3 is not str"),
    ],
)
def test_a_base_model_is_data_as_well(checkpoint: Any, fault: str, shared: Path, bait: Path, tmp_path: Path) -> None:
    given = str(bait) if checkpoint == "BAIT" else checkpoint
    folder = with_exported(shared, tmp_path, lambda s: s["model"].update(checkpoint=given))
    (folder / "trained_with.json").unlink()  # which would say that it was another one
    with pytest.raises((ValueError, OSError), match=fault):
        timepro_lit.load(folder, device="cpu")
    assert nothing_ran(tmp_path)
