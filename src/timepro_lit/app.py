"""Try a trained model on a page of this machine: a clip, a question, and when it happens.

python -m timepro_lit.app checkpoint=outputs/demo
python -m timepro_lit.app checkpoint=outputs/demo compare=outputs/demo compare_row=sft port=7861
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from timepro_lit.settings.door import door


@door("app")
def main(cfg: DictConfig) -> None:
    """Load the models, show the page until the process is ended."""
    for key in ("max_mb", "max_seconds", "max_queries", "max_waiting"):
        if not cfg[key] > 0:
            raise ValueError(f"{key}: must be more than 0, not {cfg[key]}")
    if cfg.compare is None and cfg.compare_row is not None:
        raise ValueError("compare_row: belongs to compare=FOLDER, which is not given")
    from timepro_lit.inference.loading import load, model_of
    from timepro_lit.playground.asking import Limits, Model, model_names
    from timepro_lit.playground.serving import check_installed, listening_port, serve

    # All that can be refused is, before a model is loaded.
    check_installed()
    listening_port(cfg.host, cfg.port)
    asked = [(cfg.checkpoint, cfg.row), *([] if cfg.compare is None else [(cfg.compare, cfg.compare_row)])]
    for folder, row in asked:
        model_of(Path(folder).absolute(), row, cfg.trust)
    models = []
    for (folder, row), name in zip(asked, model_names(asked), strict=True):
        listener = load(folder, row=row, base=cfg.base, device=cfg.device, trust=cfg.trust)
        if not listener.tasks:
            raise ValueError(f"{folder}: this model was trained on no task that asks for times")
        models.append(Model(name, listener, listener.longest_s))
    serve(models, Limits(cfg.max_seconds, cfg.max_queries), cfg.host, cfg.port, cfg.max_mb, cfg.max_waiting)


if __name__ == "__main__":
    main()
