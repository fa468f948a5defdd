"""Ask a trained model about recordings.

python -m timepro_lit.predict checkpoint=outputs/demo audio=recordings/ task=ag 'query="a dog barks"' output_dir=answers
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from omegaconf import DictConfig, ListConfig

from timepro_lit.settings.door import door


@door("predict")
def main(cfg: DictConfig) -> None:
    """Load the model, ask, write predictions.jsonl, print the table."""
    if len(cfg.task) != 1:
        raise ValueError(f"one task is asked at a time, not {', '.join(cfg.task) or 'none'}")
    from timepro_lit.evaluation.challenge import PROTOCOL, SUBMISSION, write_windows
    from timepro_lit.events.labels import chosen_formats
    from timepro_lit.events.voting import voting_of
    from timepro_lit.inference.loading import call_of, load, model_of, source_of
    from timepro_lit.inference.prediction import asked_task, check_heard, new_answers, predict, queries_of, recordings
    from timepro_lit.inference.queries import matched, prompts_of
    from timepro_lit.inference.windowing import windowing_of
    from timepro_lit.runs.stages import LONGEST, say
    from timepro_lit.settings.config import tasks_of

    (name,) = cfg.task
    names = [] if cfg.format is None else list(cfg.format) if isinstance(cfg.format, ListConfig) else [cfg.format]
    formats = chosen_formats(names, beside=(PROTOCOL,))
    voting = voting_of(cfg.vote, cfg.vote_temperature, cfg.seed)
    if not cfg.audio:
        raise ValueError("audio: is empty; give a file or a folder")
    audio, output_dir = Path(cfg.audio), Path(cfg.output_dir)
    # All that can be refused is, before the model is loaded.
    files, _ = recordings(audio), new_answers(output_dir)
    settings, adapter = model_of(Path(cfg.checkpoint).absolute(), cfg.row, cfg.trust, cfg.base)
    task = asked_task(tasks_of(settings), name, list(cfg.classes))
    if PROTOCOL in names and not task.takes_query:
        raise ValueError(f"format: {PROTOCOL} holds answers to queries, and task={name} asks for none")
    file = None if cfg.queries is None else Path(cfg.queries)
    queries = queries_of(task, cfg.query, file)
    if isinstance(queries, Mapping):
        files = list(matched(files, queries)[0])
    source = source_of(settings, adapter)
    frontend = source.frontend()
    windowing = windowing_of(cfg.window_s, cfg.hop_s, settings.get(LONGEST), frontend.max_duration_s, cfg.merge_iou)
    check_heard(files, frontend, windowing, task, voting)
    call = call_of(source, settings, prompts_of(task, queries), windowing, voting)
    how = {key: cfg[key] for key in ("row", "base", "device", "batch_size", "trust")}
    listener = load(cfg.checkpoint, **how)
    submit = partial(write_windows, output_dir / SUBMISSION) if PROTOCOL in names else None
    asked = (listener, audio, task, queries, output_dir, cfg.figures)
    say(predict(*asked, formats, voting, submit, windowing, call))


if __name__ == "__main__":
    main()
