"""Keeping what validates best, in place of what was trained last."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from safetensors import safe_open
from safetensors.torch import save_file

from timepro_lit.files.atomic import fsync_folder
from timepro_lit.lit.finite import refuse_non_finite

BEST = "best.safetensors"


class KeepBest(Callback):
    """Keeps the trained weights of the best validation so far in a file, which outlives a kill.

    Args:
        folder: of the stage's states.
        score: of a validation's scores, one number, the higher the better; None where there is none.
    """

    def __init__(self, folder: Path, score: Callable[[Mapping[str, float]], float | None]) -> None:
        self.path = folder / BEST
        self.score = score

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        scores = {name: float(v) for name, v in trainer.callback_metrics.items() if name.startswith("val/")}
        score, before = self.score(scores), self.score(self.scores)
        if score is not None and (before is None or score > before):
            refuse_non_finite(pl_module)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            partial = self.path.with_suffix(".partial")
            save_file(_trained(pl_module), partial, {"scores": json.dumps(scores), "step": str(trainer.global_step)})
            partial.rename(self.path)
            fsync_folder(self.path.parent)

    @property
    def scores(self) -> dict[str, float]:
        """Those of the best validation, empty before the first."""
        if not self.path.exists():
            return {}
        with safe_open(self.path, "pt") as file:
            scores: dict[str, float] = json.loads(file.metadata()["scores"])
        return scores

    @torch.no_grad()
    def put_back(self, module: LightningModule) -> None:
        """Give a module the weights of the best validation, if there was one."""
        if self.path.exists():
            weights = dict(module.named_parameters())
            with safe_open(self.path, "pt") as file:
                for name in file.keys():  # noqa: SIM118 (no dict)
                    weights[name].copy_(file.get_tensor(name))


def _trained(module: LightningModule) -> dict[str, torch.Tensor]:
    return {name: w.detach().cpu().contiguous() for name, w in module.named_parameters() if w.requires_grad}
