"""Score the answers of any system against references, ours or another's.

python -m timepro_lit.score task=sed predictions=answers.jsonl references=validation.tsv output_dir=scores/kimi-audio
python -m timepro_lit.score protocol=dcase2026_task6 predictions=mine.jsonl references=val.jsonl output_dir=scores/mine
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from timepro_lit.settings.door import door

if TYPE_CHECKING:
    from timepro_lit.records import Answer


@door("score")
def main(cfg: DictConfig) -> None:
    """Read both files, score, write scores.json and what a report needs, print the table."""
    from timepro_lit.evaluation.scoring import (
        check_output,
        labels_of,
        outcome_of,
        read_predictions,
        read_references,
        table,
        with_rounded,
        write_outcome,
    )
    from timepro_lit.runs.determinants import grounds_of_scores
    from timepro_lit.runs.stages import say
    from timepro_lit.settings.config import settings_of, tasks_of
    from timepro_lit.settings.methods import variants_of
    from timepro_lit.tasks.base import ScoredTask, metrics_of_test

    if cfg.protocol is not None:
        say(_by_protocol(cfg))
        return
    if len(cfg.task) != 1:
        raise ValueError(f"one task is scored at a time, not {', '.join(cfg.task) or 'none'}")
    (name,) = cfg.task
    directory, predictions = Path(cfg.output_dir).absolute(), Path(cfg.predictions)
    check_output(directory, name, [predictions, Path(cfg.references)])
    references = read_references(Path(cfg.references), name)
    cfg.classes = cfg.classes or labels_of(references)
    settings = settings_of(cfg)
    task = tasks_of(settings)[name]
    if not isinstance(task, ScoredTask):
        raise ValueError(f"task: answers to {name} have no score")
    metrics = with_rounded(metrics_of_test(task), cfg.decimals)
    lengths_known = Path(cfg.references).suffix != ".tsv"
    outcome = outcome_of(read_predictions(predictions, task), references, metrics, task.classes, lengths_known)
    if cfg.psds:
        outcome = replace(outcome, whole=_psds(cfg, outcome.answers, task.classes))
    variant = variants_of(settings["task"])[name]
    write_outcome(directory, outcome, task, cfg.system, grounds_of_scores(settings["task"]), variant)
    say(table(outcome))


def _psds(cfg: DictConfig, answers: Sequence[Answer], classes: Sequence[str]) -> dict[str, float]:
    """PSDS of answers about clips whose lengths are known."""
    from timepro_lit.metrics.psds import psds

    if not classes:
        raise ValueError("psds: is for sound event detection, whose answers are of classes")
    if Path(cfg.references).suffix == ".tsv":
        raise ValueError(
            "psds: counts false alarms per hour, and a TSV does not say how long its clips are: give a manifest"
        )
    return psds([(answer.prediction, answer.example) for answer in answers], classes)


def _by_protocol(cfg: DictConfig) -> str:
    """Score the files of a challenge; returns the table."""
    from timepro_lit.evaluation.challenge import PROTOCOL, score_moments
    from timepro_lit.evaluation.scoring import check_output

    if cfg.protocol != PROTOCOL:
        raise ValueError(f"protocol: is {cfg.protocol}, not {PROTOCOL}")
    if cfg.task or cfg.classes or cfg.decimals is not None or cfg.psds:
        raise ValueError(f"protocol: {PROTOCOL} says what is scored; leave task, classes, decimals and psds out")
    directory = Path(cfg.output_dir).absolute()
    check_output(directory, PROTOCOL, [])  # it writes scores alone
    return score_moments(Path(cfg.predictions), Path(cfg.references), directory, cfg.system or directory.name)


if __name__ == "__main__":
    main()
