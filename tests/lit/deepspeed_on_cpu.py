"""Lets DeepSpeed run on CPUs, which Lightning refuses: its own kernels and collectives, without a GPU.

python deepspeed_on_cpu.py SETTINGS: `python -m timepro_lit.train SETTINGS`
"""

from __future__ import annotations

import os

os.environ["DS_ACCELERATOR"] = "cpu"

import lightning.pytorch.strategies.deepspeed as strategies
import torch
from lightning.pytorch.strategies import DDPStrategy, DeepSpeedStrategy

strategies._validate_device_index_selection = lambda devices: None
DeepSpeedStrategy.setup_environment = DDPStrategy.setup_environment  # type: ignore[method-assign]
DeepSpeedStrategy.root_device = property(lambda self: torch.device("cpu", 0))  # type: ignore[assignment]

if __name__ == "__main__":
    from timepro_lit.train import main

    main()
