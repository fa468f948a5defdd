"""What is printed for users to type is taken by the programs as it stands: commands, overrides and names of keys."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import fields
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from timepro_lit.settings.config import build, build_preparation, validate
from timepro_lit.settings.door import check_given, check_order, with_plain
from timepro_lit.settings.help import inner_groups, options
from timepro_lit.settings.schemas import CONF, LAYERS, ROOT, SCHEMAS, register

OF_SLURM = re.compile(r"sbatch|hydra/launcher=slurm|\bJOB\b")
"""What a laptop has no use for."""
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "experiments").glob("*/*.md")))
OTHER = (*(CONF / f"{door}.yaml" for door in SCHEMAS), *(ROOT / f"src/timepro_lit/{door}.py" for door in SCHEMAS))
"""Their first lines show commands as well, which `--help` prints."""
COMMAND = re.compile(r"python -m timepro_lit\.(\w+)([^`\n]*)")
SCRIPT = re.compile(r"sbatch (?:--\S+ )*experiments/cluster/\w+\.sbatch ([^`\n)]*)")
"""Which passes its arguments on to train."""
SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
OVERRIDE = re.compile(r"\+?[a-z_][\w.]*=.+")
KEY = re.compile(r"([a-z_]\w*)(\.\w+)*")
TOP_KEYS = {field.name for schema in SCHEMAS.values() for field in fields(schema)}
FILES = (".json", ".jsonl", ".py", ".safetensors", ".sh", ".tsv", ".yaml")
CONTEXTS = [
    *([door] for door in SCHEMAS if door != "prepare"),
    ["train", "+scale=paper"],
    *(["prepare", f"corpus={corpus}"] for corpus in options("corpus")),
]
"""What a span of overrides may stand beside: a door, and what was chosen before."""


def text_of(page: Path) -> str:
    return re.sub(r"\\\n", "", page.read_text(encoding="utf-8"))


def commands(page: Path) -> Iterator[tuple[str, ...]]:
    """A door and its arguments."""
    for door, rest in COMMAND.findall(text_of(page)):
        yield door, *shlex.split(rest, comments=True)
    for rest in SCRIPT.findall(text_of(page)):
        yield "train", *shlex.split(rest)


def spans(page: Path) -> Iterator[str]:
    """Inline code outside of the code blocks."""
    yield from SPAN.findall(re.sub(r"(?ms)^```.*?^```", "", text_of(page)))


def filled(words: Sequence[str]) -> Iterator[list[str]]:
    """Where an option is left open, as in corpus=NAME, all of them in turn."""
    for number, word in enumerate(words):
        group, _, option = word.partition("=")
        if option == "NAME":
            for one in options(group):
                yield from filled([*words[:number], f"{group}={one}", *words[number + 1 :]])
            return
    yield list(words)


def is_overrides(span: str) -> bool:
    return "=" in span and all(OVERRIDE.fullmatch(word) for word in shlex.split(span))


def is_key(span: str) -> bool:
    key = KEY.fullmatch(span.removesuffix("="))
    return key is not None and key[1] in TOP_KEYS and not span.endswith(FILES)


ALL_COMMANDS = sorted({shlex.join(c) for page in (*PAGES, *OTHER) for words in commands(page) for c in filled(words)})
ALL_SPANS = {span for page in PAGES for span in spans(page)}
ALL_OVERRIDES = sorted({shlex.join(o) for span in ALL_SPANS if is_overrides(span) for o in filled(shlex.split(span))})
ALL_KEYS = sorted({span.removesuffix("=") for span in ALL_SPANS if is_key(span)})


@pytest.fixture(autouse=True, scope="module")
def hydra_at_conf() -> Iterator[None]:
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield


def composed(door: str, *overrides: str) -> DictConfig:
    cfg = compose(door, list(overrides))
    if door == "train":
        check_order(overrides)
        validate(cfg)
    return cfg


def contexts(key: str) -> Iterator[list[str]]:
    """Those of doors that know the top of this key."""
    top = key.lstrip("+").partition(".")[0]
    for door, *before in CONTEXTS:
        layers = LAYERS if door == "train" else ()
        if top in (*(field.name for field in fields(SCHEMAS[door])), *inner_groups(door), *layers):
            yield [door, *before]


def test_the_pages_are_really_read() -> None:
    assert "train +experiment=ablation_astp --cfg job" in ALL_COMMANDS
    assert {command.split()[0] for command in ALL_COMMANDS} == set(SCHEMAS)
    assert any("exclude=[data/desed]" in command for command in ALL_COMMANDS)  # behind a line's continuation
    assert "data.corpus.corpora.ftar.audio=s3://bucket/ftar" in ALL_OVERRIDES
    assert {"data.max_skipped_share", "corpus.audio"} <= set(ALL_KEYS)


def combinations(overrides: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The overrides of each job of a sweep; of any other command its own."""
    parsed = OverridesParser.create(GlobalHydra.instance().config_loader()).parse_overrides(list(overrides))
    yield from product(*(
        [f"{one.get_key_element()}={value}" for value in one.sweep_string_iterator()]
        if one.is_sweep_override() else [one.input_line]
        for one in parsed
    ))  # fmt: skip


@pytest.fixture
def with_sounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder with recordings in `sounds`, whose classes settings look up."""
    (tmp_path / "sounds" / "foreground" / "bell").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("with_sounds")
@pytest.mark.parametrize("command", ALL_COMMANDS)
def test_a_printed_command_composes(command: str) -> None:
    door, *words = shlex.split(command)
    words = with_plain(words, "runs") if door == "report" else words
    jobs = list(combinations([word for word in words if word not in ("--cfg", "job", "-m")]))
    assert (len(jobs) > 1) == ("-m" in words)
    for job in jobs:
        cfg = composed(door, *job)
        check_given(cfg)
        if door == "prepare":
            build_preparation(cfg)


@pytest.mark.parametrize("printed", ALL_OVERRIDES)
def test_printed_overrides_compose(printed: str) -> None:
    words = shlex.split(printed)
    refusals = []
    for door, *before in contexts(words[0].partition("=")[0]):
        try:
            composed(door, *before, *words)
            return
        except (HydraException, OmegaConfBaseException, ValueError) as error:
            refusals.append(f"{door} {' '.join(before)}: {error.__cause__ or error}")
    pytest.fail("\n".join(refusals) or "no door knows it")


@pytest.mark.parametrize("key", ALL_KEYS)
def test_printed_keys_exist(key: str) -> None:
    assert any(has(compose(door, before), key.split(".")) for door, *before in contexts(key))


def has(node: Any, parts: Sequence[str]) -> bool:
    """Whether there is a node at a path; it may have no value, or refer to another one."""
    if not parts:
        return True
    return OmegaConf.is_dict(node) and parts[0] in list(node) and has(node._get_node(parts[0]), parts[1:])


def run(folder: Path, command: str, *more: str) -> str:
    """A printed command as a process in a folder, with `more` arguments; its standard output."""
    door, *arguments = shlex.split(command)
    done = subprocess.run(
        [sys.executable, "-m", f"timepro_lit.{door}", *arguments, *more],
        cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def num_examples(*overrides: str) -> int:
    """In the test split of the data that these settings name."""
    return len(build(composed("train", *overrides))["data"].examples("test"))


@pytest.mark.slow
def test_the_papers_data_are_prepared_as_printed(desed: Path, ftar: Path, tmp_path: Path) -> None:
    of_desed, of_ftar = (command for command in ALL_COMMANDS if "tokenizer=Qwen" in command)
    tiny = ("tokenizer=Qwen/Qwen2.5-Omni-7B", f"tokenizer={ROOT / 'src/timepro_lit/assets/tiny_base'}")
    run(tmp_path, of_desed.replace("/data/desed", str(desed)).replace(*tiny))
    run(tmp_path, of_ftar.replace("/data/ftar", str(ftar)).replace(*tiny), "corpus.audio_prefix=/corpus/")
    assert num_examples("+scale=paper", f"paths.data={tmp_path / 'data'}") == 7


def test_soundscapes_are_prepared_as_printed(tmp_path: Path) -> None:
    run(tmp_path, "prepare corpus=soundscapes out=data/soundscapes", "corpus.num_clips={train: 3, val: 2, test: 2}")
    folder = f"data.folder={tmp_path / 'data/soundscapes'}"
    assert num_examples("data=prepared", folder, "class_list=soundscapes") == 6
    assert num_examples("data=prepared", folder, "task=[ag]") == 2


def test_other_systems_are_scored_as_printed(tmp_path: Path) -> None:
    (command,) = (command for command in ALL_COMMANDS if "other-system" in command)
    (tmp_path / "validation.tsv").write_text("filename\tonset\toffset\tevent_label\na.wav\t1.0\t2.0\tDog\n")
    (tmp_path / "answers.jsonl").write_text('{"id": "a.wav", "events": [[1.0, 2.0, "Dog"]]}')
    assert "100.0" in run(tmp_path, command)
    scores = json.loads((tmp_path / "scores/other-system/scores.json").read_text())
    assert scores["eb_f1"]["macro"] == {"0": 100.0, "0.2": 100.0, "0.5": 100.0}


@pytest.mark.slow
def test_a_laptop_tries_what_a_cluster_does_as_printed(tmp_path: Path) -> None:
    lines = re.findall(r"^python -m timepro_lit\..*$", text_of(ROOT / "docs/clusters.md"), re.MULTILINE)
    sweep, processes = (line.removeprefix("python -m timepro_lit.") for line in lines if not OF_SLURM.search(line))
    folders = (f"paths.outputs={tmp_path / 'outputs'}", f"paths.data={tmp_path / 'data'}")
    run(tmp_path, sweep, *folders)
    assert len(list(tmp_path.glob("outputs/ablation_*/*/report.html"))) == 2
    assert "sft: reused from" in run(tmp_path, processes, *folders)


def test_the_printed_line_of_a_manifest_is_read(tmp_path: Path) -> None:
    (line,) = re.findall(r'^\{"id".*\}$', (ROOT / "docs/corpora.md").read_text(), flags=re.MULTILINE)
    (tmp_path / "test.jsonl").write_text(line)
    assert num_examples("data=prepared", f"data.folder={tmp_path}", "task=[ag]") == 1
