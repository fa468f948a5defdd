"""See which timestamps a model attends to when it answers, as the paper's Figure 2, or measure it over a split.

python -m timepro_lit.attend checkpoint=outputs/demo task=ag audio=street.wav 'query="a dog barks"' output_dir=attention
python -m timepro_lit.attend checkpoint=outputs/demo task=ag split=test output_dir=attention
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from omegaconf import DictConfig

from timepro_lit.settings.door import door, given_paths


@door("attend")
def main(cfg: DictConfig) -> None:
    """Load the model, ask, draw and write what it attended to."""
    if len(cfg.task) != 1:
        raise ValueError(f"one task is asked at a time, not {', '.join(cfg.task) or 'none'}")
    _check(cfg)
    from timepro_lit.inference.attending import ATTENTION, clip_of, draw_attention, measure_attention
    from timepro_lit.inference.loading import load, model_of
    from timepro_lit.inference.prediction import asked_task, queries_of
    from timepro_lit.runs.stages import say
    from timepro_lit.settings.config import tasks_of

    (name,) = cfg.task
    output_dir = Path(cfg.output_dir)
    if (path := output_dir / ATTENTION).exists():
        raise FileExistsError(f"output_dir: {path} is there already; choose another folder, or remove it")
    settings, _ = model_of(Path(cfg.checkpoint).absolute(), cfg.row, cfg.trust)
    task = asked_task(tasks_of(settings), name, list(cfg.classes))
    how = {"base": cfg.base, "device": cfg.device, "trust": cfg.trust}
    if cfg.audio is not None:
        (query,) = queries_of(task, cfg.query, None)
        listener = load(cfg.checkpoint, row=cfg.row, **how)
        waveform = clip_of(listener, cfg.audio)
        question = listener.question(name, waveform, query, audio=Path(cfg.audio).name)
        say(draw_attention(listener, question, task, cfg.layers, cfg.heads, output_dir))
        return
    from timepro_lit.lit.samples import make_ready, samples_of
    from timepro_lit.settings.config import build_data
    from timepro_lit.settings.stored import read_settings

    data = build_data(read_settings(Path(cfg.checkpoint).absolute(), given_paths(cfg), cfg.trust))
    make_ready(data, [Path(cfg.paths.data), Path(cfg.paths.outputs)])
    samples = samples_of(data, cfg.split, name, cfg.example, cfg.num_questions)
    if cfg.example is not None:
        listener = load(cfg.checkpoint, row=cfg.row, **how)
        say(draw_attention(listener, samples[0], task, cfg.layers, cfg.heads, output_dir))
        return
    others = {str(folder): (folder, None) for folder in cfg.against}
    asked = {cfg.checkpoint if cfg.row is None else f"{cfg.checkpoint} {cfg.row}": (cfg.checkpoint, cfg.row)} | others
    for folder, row in asked.values():  # before hours are spent on the first of them
        time_prompt = model_of(Path(folder).absolute(), row, cfg.trust)[0]["time_prompt"]
        if time_prompt is None or time_prompt.get("init") == "text":
            raise ValueError(f"{folder}: the model has no timestamp embeddings to attend to")
    models = {name: partial(load, folder, row=row, **how) for name, (folder, row) in asked.items()}
    say(measure_attention(models, samples, task, output_dir))


def _check(cfg: DictConfig) -> None:
    """Raise ValueError where keys are given that do not go together."""
    if (cfg.audio is None) == (cfg.split is None):
        raise ValueError("give either audio=FILE, or split=test for the questions of the run's own data")
    if cfg.audio is None and cfg.query is not None:
        raise ValueError("query: belongs to audio=FILE; the questions of a split have their own")
    if cfg.split is None and (cfg.example is not None or cfg.against):
        raise ValueError("example and against: belong to split=test, not to audio=FILE")
    if cfg.example is not None and cfg.against:
        raise ValueError("against: is measured over a split, and example draws one of its questions")
    if not cfg.layers:
        raise ValueError("layers: name at least one, such as [-1]")
    if cfg.num_questions < 1:
        raise ValueError(f"num_questions: must be at least 1, not {cfg.num_questions}")
    measures = cfg.split is not None and cfg.example is None
    if measures and (list(cfg.layers) != [-1] or cfg.heads):
        raise ValueError("layers and heads: choose what is drawn; over a split all are measured")


if __name__ == "__main__":
    main()
