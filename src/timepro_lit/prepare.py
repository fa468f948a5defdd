"""Turn a corpus as it is downloaded into manifests.

python -m timepro_lit.prepare corpus=desed root=/data/desed out=data/desed
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from timepro_lit.settings.door import door


@door("prepare")
def main(cfg: DictConfig) -> None:
    """Read the public files, write manifests, print what became of everything."""
    from timepro_lit.data.preparation import COUNTS, DROPPED, prepare
    from timepro_lit.data.questions import Cutting
    from timepro_lit.figures.counts import counts_text
    from timepro_lit.runs.stages import say
    from timepro_lit.settings.config import build_preparation

    for key, least in (("shard_mb", 1), ("num_workers", 0), ("max_answer_tokens", 1)):
        if cfg[key] is not None and cfg[key] < least:
            raise ValueError(f"{key}: must be at least {least}, not {cfg[key]}")
    corpus, tasks = build_preparation(cfg)
    count_tokens = None
    if cfg.tokenizer is not None:
        from timepro_lit.lalm.pretrained import token_counter

        count_tokens = token_counter(cfg.tokenizer)
    out = Path(cfg.out).absolute()
    counts = prepare(
        corpus,
        root=Path(cfg.root).absolute(),
        out=out,
        tasks=tasks,
        exclude=[Path(folder) for folder in cfg.exclude],
        count_tokens=count_tokens,
        max_answer_tokens=cfg.max_answer_tokens,
        shard_bytes=None if cfg.shard_mb is None else cfg.shard_mb * 1_000_000,
        num_workers=cfg.num_workers,
        cutting=Cutting(cfg.window_s, cfg.none_rate),
    )
    say(f"{counts_text(counts)}everything that was not taken over: {out / DROPPED}\nthese counts: {out / COUNTS}")


if __name__ == "__main__":
    main()
