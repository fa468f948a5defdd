"""A run's model as a folder for others: weights, time prompt, how to load it, and a card with its scores."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from timepro_lit.figures.table import num_test_in_words
from timepro_lit.files.atomic import is_left_over, write_atomically
from timepro_lit.files.holding import held
from timepro_lit.files.json_object import shown
from timepro_lit.files.sealing import digests_of, files_in, read_sealed, sealed
from timepro_lit.inference.loading import CHECKSUMS, EXPORTED, check_stored, is_exported, source_of, trained_model
from timepro_lit.lalm.hf_folder import write_adapter, write_card, write_merged, write_time_prompt
from timepro_lit.runs.stages import LONGEST
from timepro_lit.settings.description import last_row

KINDS = ("merged", "adapter", "full_omni_adapter")
PLACE, MOVING = ".export.partial", "moving.json"
"""Where a folder is made, within itself, and what says which of its files are on their way out of there."""
KEPT = ("model", "time_prompt", "task", "name", "scale", "seed")
"""Settings of a run that its model needs to be asked again, and that say which run it was."""
_MERGED = (
    "These are the scores of the run, whose adapter stood beside the base weights. Added to them, in their precision, "
    "it may answer otherwise, most of all in bfloat16: `python -m timepro_lit.evaluate run=FOLDER data=...` scores "
    "this folder."
)
_BY_LOAD = (
    "```python",
    "import timepro_lit",
    "",
    "model = timepro_lit.load(FOLDER)",
    'model.ground("street.wav", "a dog barks")',
    "```",
)
_BY_PEFT = (
    "Plain peft loads it on the whole Omni model, `PeftModel.from_pretrained(model, FOLDER)`; `timepro_lit.load` loads "
    "what is exported with `kind=adapter`.",
)


def export(run: Path, folder: Path, kind: str = "merged", row: str | None = None, trust: Collection[str] = ()) -> str:
    """Write the model of a row of a run's table into a new folder; returns what to do with it.

    merged: the adapter added to the base weights, an ordinary Hugging Face checkpoint. adapter: the adapter alone, as
    plain peft loads it on the base. full_omni_adapter: the same, its weights named as in a whole Qwen-Omni model.
    `trust` as of `load`. Raises ValueError as `load`, and for another kind, or one that the model's family has not, a
    folder that holds something, and an adapter that is not there.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind}")
    _check_empty(folder)
    if is_exported(run):
        raise ValueError(f"run: {run} is an exported folder already; name the run that it came from")
    settings, adapter = trained_model(run, row, trust)
    check_stored(run, settings, row)
    row = row or last_row(settings)
    if kind != "merged" and adapter is None:
        raise ValueError(f"the model of {row} has no adapter; export it with kind=merged")
    # Four-bit weights cannot be merged into: the adapter goes on the whole ones that they were made from.
    whole = _on_whole_weights(settings)
    settings = whole if kind == "merged" else settings
    source = source_of(whole, adapter)
    prefix = source.backbone.whole_prefix
    if kind == "full_omni_adapter" and not prefix:
        raise ValueError(
            f"kind=full_omni_adapter: {type(source.backbone).__name__} is no part of a larger Omni model; kind=adapter "
            "loads on it"
        )
    lalm, scores = source.load(whole=kind == "merged"), _scores(run, row)
    with _made_whole(folder) as partial:
        if kind == "merged":
            write_merged(lalm, partial, source.backbone)
        else:
            assert adapter is not None
            write_adapter(adapter, partial, prefix if kind == "full_omni_adapter" else "")
        write_time_prompt(lalm, source.time_prompt, partial)
        kept = {key: settings[key] for key in KEPT} | {"trainer": {"precision": settings["trainer"].get("precision")}}
        kept |= {LONGEST: settings[LONGEST]} if LONGEST in settings else {}
        if kind != "full_omni_adapter":  # which is for plain peft alone
            write_atomically(partial / EXPORTED, json.dumps(kept, indent=1))
        _write_card(partial, kind, row, settings, scores)
    return f"{kind} model of {row}: {folder}"


@contextmanager
def _made_whole(folder: Path) -> Iterator[Path]:
    """A place for the files of a folder, which move there, with their checksums, when the context ends well.

    The place lies within the folder, which may be all that can be written to. Raises ValueError where another process
    is making the folder, or has made it.
    """
    place = folder / PLACE
    with held(place):
        partial = place / "model"
        shutil.rmtree(partial, ignore_errors=True)  # of a call that was killed
        partial.mkdir()
        try:
            _check_empty(folder)  # another call may have ended since
            for name in _half_moved(folder):
                (folder / name).unlink(missing_ok=True)
            yield partial
            files = [path for path in files_in(partial) if path.name != "README.md"]  # a card may be written on
            write_atomically(partial / CHECKSUMS, sealed({"files": digests_of(partial, files)}))
            # What says that it is a model comes last, and with it the checksums.
            moved = sorted(partial.iterdir(), key=lambda path: (path.name in (EXPORTED, CHECKSUMS), path.name))
            write_atomically(place / MOVING, sealed({"files": [path.name for path in moved]}))
            for path in moved:
                path.rename(folder / path.name)
        finally:
            shutil.rmtree(place, ignore_errors=True)


def _half_moved(folder: Path) -> list[str]:
    """Files that a call which was killed had begun to move into a folder, and did not end."""
    moving = folder / PLACE / MOVING
    if (folder / CHECKSUMS).exists() or not moving.exists():
        return []
    return [name for name in read_sealed(moving)["files"] if (folder / name).parent == folder]  # and none elsewhere


def _check_empty(folder: Path) -> None:
    half = _half_moved(folder)
    if folder.exists() and any(not (is_left_over(path) or path.name in half) for path in folder.iterdir()):
        raise ValueError(f"output_dir: {folder} is not empty, and nothing is overwritten")


def _on_whole_weights(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The same without four bits."""
    model = dict(settings["model"])
    return {**settings, "model": model | ({"quantization": None} if "quantization" in model else {})}


def _scores(run: Path, row: str) -> tuple[dict[str, Any], Any] | None:
    """The row of report.json, where it was evaluated, and on how many clips."""
    path = run / "report.json"
    report = read_sealed(path) if path.exists() else {}
    rows, num_clips = report.get("scores", {}), report.get("n_test")
    found = rows.get(row) if isinstance(rows, dict) else rows
    if found is None:
        return None
    by_task = [value for value in found.values() if isinstance(value, dict)] if isinstance(found, dict) else []
    figures = [value for of_task in by_task for value in of_task.values() if value is not None]  # not defined
    counts = list(num_clips.values()) if isinstance(num_clips, dict) else [num_clips]
    if not figures or not all(isinstance(value, int | float) for value in (*counts, *figures)):
        raise ValueError(f"{path}: scores of {row} are {shown(found)} on {shown(num_clips)} clips, which are no scores")
    return found, num_clips


def _write_card(folder: Path, kind: str, row: str, settings: Mapping[str, Any], scores: Any) -> None:
    base = settings["model"].get("checkpoint")
    card: dict[str, Any] = {
        "library_name": "transformers" if kind == "merged" else "peft",
        "tags": ["audio", "temporal-grounding", "timepro_lit"],
    } | ({"base_model": base} if base and not Path(base).exists() else {})
    lines = [
        f"# {settings['name']}: {row}",
        "",
        f"Trained by timepro_lit from `{Path(base).name if base else 'random weights'}`; tasks: "
        f"{', '.join(settings['task'])}.",
        "",
        *(_BY_PEFT if kind == "full_omni_adapter" else _BY_LOAD),
        "",
    ]
    if settings["time_prompt"] is not None and settings["time_prompt"].get("init") != "text":
        lines += [
            "Its prompts interleave the audio with timestamps: `time_prompt.safetensors` holds their embeddings, "
            "`time_prompt.json` says after how many frames each stands.",
            "",
        ]
    if scores is not None:
        found, num_clips = scores
        rows = [
            (task, name, value)
            for task, of_task in found.items()
            if isinstance(of_task, dict)
            for name, value in of_task.items()
            if value is not None
        ]
        lines += [f"## Scores on {num_test_in_words(num_clips)}", ""]
        lines += [_MERGED, ""] if kind == "merged" else []
        lines += ["| task | metric | % |", "|---|---|---|"]
        lines += [f"| {task} | {name} | {value:.1f} |" for task, name, value in rows] + [""]
    trained = {key: settings[key] for key in ("time_prompt", "lora", "stage", "seed")}
    lines += ["## Settings", "", "```json", json.dumps(trained, indent=1), "```", ""]
    write_card(folder, card, "\n".join(lines))
