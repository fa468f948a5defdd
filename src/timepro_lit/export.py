"""Write the model of a finished run as a folder for others.

python -m timepro_lit.export run=outputs/demo output_dir=exported kind=merged
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from timepro_lit.settings.door import door


@door("export")
def main(cfg: DictConfig) -> None:
    """Load the model, write the folder, say where it is."""
    from timepro_lit.inference.exporting import export
    from timepro_lit.runs.stages import say

    say(export(Path(cfg.run).absolute(), Path(cfg.output_dir).absolute(), cfg.kind, cfg.row, cfg.trust))


if __name__ == "__main__":
    main()
