"""What validates best, and keeping it in place of what was trained last."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from timepro_lit.files.atomic import fsync_folder
from timepro_lit.lit.finite import refuse_non_finite
from timepro_lit.tasks.base import ScoredTask

BEST = "best.safetensors"


class KeepBest(Callback):
    """Keeps the trained weights of the best validation so far in a file, which outlives a kill.

    A state of the stage says of which step they were, so that a run does not go on without them.

    Args:
        folder: of the stage's states.
        score: of a validation's scores, one number, the higher the better; None where there is none.
    """

    def __init__(self, folder: Path, score: Callable[[Mapping[str, float]], float | None]) -> None:
        self.path = folder / BEST
        self.score = score
        self._scores: dict[str, float] | None = None

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        scores = {name: float(v) for name, v in trainer.callback_metrics.items() if name.startswith("val/")}
        score, before = self.score(scores), self.score(self.scores)
        if score is not None and (before is None or score > before):
            refuse_non_finite(pl_module)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            partial = self.path.with_suffix(".partial")
            weights, said = _trained(pl_module), json.dumps({"scores": scores, "step": trainer.global_step})
            save_file(weights, partial, {"said": said, "digest": _digest(weights, said)})
            partial.rename(self.path)
            fsync_folder(self.path.parent)
            self._scores = scores

    def begin_anew(self) -> None:
        """Forget what was best in an attempt that left no state to go on from."""
        self.path.unlink(missing_ok=True)

    @property
    def scores(self) -> dict[str, float]:
        """Those of the best validation, empty before the first."""
        if self._scores is None:
            self._scores = json.loads(self._read()[0])["scores"] if self.path.exists() else {}
        return self._scores

    def state_dict(self) -> dict[str, Any]:
        return {"step": self._step()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Raises ValueError where the weights that were best when the state was written are not here any more."""
        needed, found = state_dict["step"], self._step()
        if needed is not None and (found is None or found < needed):  # a later validation may have been better
            raise ValueError(f"{self.path} is missing or older than the state: {self._anew}")

    @property
    def _anew(self) -> str:
        return f"delete {self.path.parent} to begin the stage anew"

    def _step(self) -> int | None:
        """After which the best weights were validated, None before the first; every process may ask at any time."""
        step: int | None = json.loads(self._read()[0])["step"] if self.path.exists() else None
        return step

    @torch.no_grad()
    def put_back(self, module: LightningModule) -> None:
        """Give a module the weights of the best validation, if there was one."""
        if self.path.exists():
            weights = dict(module.named_parameters())
            for name, best in self._read()[1].items():
                weights[name].copy_(best)

    def _read(self) -> tuple[str, dict[str, torch.Tensor]]:
        """What is said of the best weights, and they themselves. Raises ValueError where the file is damaged."""
        try:
            with safe_open(self.path, "pt") as file:
                metadata = file.metadata() or {}
                weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no dict)
        except (SafetensorError, OSError):
            metadata, weights = {}, {}
        said = metadata.get("said", "")
        if metadata.get("digest") != _digest(weights, said):
            raise ValueError(f"{self.path} is damaged: {self._anew}")
        return said, weights


def validation_score(scores: Mapping[str, float], tasks: Mapping[str, ScoredTask]) -> float | None:
    """One number to choose by: the mean, over the tasks, of what each of them chooses by; None where none is there.

    `scores` are those of a validation, by the names that it logs: val/<task>/<metric>.
    """
    names = [f"val/{name}/{task.watched[0]}" for name, task in tasks.items()]
    kept = [scores[name] for name in names if name in scores]
    return sum(kept) / len(kept) if kept else None


def _digest(weights: Mapping[str, torch.Tensor], said: str) -> str:
    digest = hashlib.sha256(said.encode())
    for name in sorted(weights):
        digest.update(name.encode())
        digest.update(weights[name].view(torch.uint8).numpy())
    return digest.hexdigest()


def _trained(module: LightningModule) -> dict[str, torch.Tensor]:
    return {name: w.detach().cpu().contiguous() for name, w in module.named_parameters() if w.requires_grad}
