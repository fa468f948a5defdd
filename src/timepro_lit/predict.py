"""Ask a trained model about recordings.

python -m timepro_lit.predict checkpoint=outputs/demo audio=recordings/ task=ag 'query="a dog barks"' output_dir=answers
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from omegaconf import DictConfig

from timepro_lit.settings.door import door


@door("predict")
def main(cfg: DictConfig) -> None:
    """Load the model, ask, write predictions.jsonl, print the table."""
    if len(cfg.task) != 1:
        raise ValueError(f"one task is asked at a time, not {', '.join(cfg.task) or 'none'}")
    from timepro_lit.evaluation.challenge import PROTOCOL, SUBMISSION, write_windows
    from timepro_lit.events.labels import chosen_formats
    from timepro_lit.events.voting import voting_of
    from timepro_lit.inference.loading import load, model_of, source_of
    from timepro_lit.inference.prediction import asked_task, check_heard, new_answers, predict, queries_of, recordings
    from timepro_lit.inference.queries import SUFFIX, matched, read_own_queries
    from timepro_lit.runs.stages import say
    from timepro_lit.settings.config import tasks_of

    (name,) = cfg.task
    names = [cfg.format] if isinstance(cfg.format, str) else list(cfg.format or [])
    formats = chosen_formats(names, beside=(PROTOCOL,))
    voting = voting_of(cfg.vote, cfg.vote_temperature, cfg.seed)
    if not cfg.audio:
        raise ValueError("audio: is empty; give a file or a folder")
    audio, output_dir = Path(cfg.audio), Path(cfg.output_dir)
    # All that can be refused is, before the model is loaded.
    files, _ = recordings(audio), new_answers(output_dir)
    settings, adapter = model_of(Path(cfg.checkpoint).absolute(), cfg.row, cfg.trust)
    task = asked_task(tasks_of(settings), name, list(cfg.classes))
    if PROTOCOL in names and not task.takes_query:
        raise ValueError(f"format: {PROTOCOL} holds answers to queries, and task={name} asks for none")
    file = None if cfg.queries is None else Path(cfg.queries)
    if file is not None and file.suffix == SUFFIX and task.takes_query and cfg.query is None:
        queries = read_own_queries(file)
        files = list(matched(files, queries)[0])
    else:
        queries = queries_of(task, cfg.query, file)
    if cfg.base is not None:
        settings["model"]["checkpoint"] = cfg.base
    check_heard(files, source_of(settings, adapter).frontend())
    listener = load(
        cfg.checkpoint, row=cfg.row, base=cfg.base, device=cfg.device, batch_size=cfg.batch_size, trust=cfg.trust
    )
    submit = partial(write_windows, output_dir / SUBMISSION) if PROTOCOL in names else None
    say(predict(listener, audio, task, queries, output_dir, cfg.figures, formats, voting, submit))


if __name__ == "__main__":
    main()
