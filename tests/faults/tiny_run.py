"""The run that is damaged: SFT and GRPO of the embedded model in a few seconds, and where its files lie."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

STEPS = 4
"""Of each stage; a state is written after each but the last."""

SETTINGS = (
    "+experiment=ablation_adaptive", "task=[ag,sed]", "trainer.precision=32-true", "++trainer.log_every_n_steps=1",
    "checkpoint_every=1", "stage.sft.keep=best",
    "time_prompt=none", "sizes.sft.learning_rate=1e-5",  # the base answers readably, so that groups have signal
    "sizes.data.num_clips={train: 12, val: 2, test: 2}",
    "sizes.sft.rows=question", f"sizes.sft.max_steps={STEPS}", "sizes.sft.batch_size=4",
    "sizes.sft.micro_batch_size=2", "sizes.sft.val_check_interval=2",
    f"sizes.grpo.max_steps={STEPS}", "sizes.grpo.batch_size=2", "sizes.grpo.micro_batch_size=2",
    "sizes.grpo.group_size=4", "sizes.grpo.examples_per_task=8", "sizes.grpo.max_new_tokens=24",
    "sizes.grpo.val_check_interval=2",
)  # fmt: skip

WORKERS = ("data.num_workers=2",)
TWO_PROCESSES = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")
CAPTIONS = ("task=[ag,sed,dac]",)
"""Captioning is rewarded and scored by METEOR, which runs in Java."""


@dataclass(frozen=True)
class Place:
    """A folder with all that one command reads and writes."""

    folder: Path

    @property
    def outputs(self) -> Path:
        return self.folder / "outputs"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def run(self) -> Path:
        return self.outputs / "run"

    @property
    def stages(self) -> Path:
        return self.outputs / "stages"

    def train(self, *extra: str, run: str = "run") -> list[str]:
        """Arguments of `train`; those given come last, in place of SETTINGS where they name the same key."""
        replaced = {one.partition("=")[0] for one in extra}
        settings = [one for one in SETTINGS if one.partition("=")[0] not in replaced]
        return [*settings, *extra, *self.paths(), f"output_dir={self.outputs / run}"]

    def paths(self) -> list[str]:
        """Where everything lies, for any command."""
        return [f"paths.outputs={self.outputs}", f"paths.data={self.data}"]

    def copy(self, folder: Path) -> Place:
        """The same in another folder; files that were one by a hard link are one no more, times stay."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Place(folder)

    def copy_parts(self, folder: Path, *patterns: str) -> Place:
        """Only what lies under paths of these patterns."""
        for pattern in patterns:
            for source in self.folder.glob(pattern):
                target = folder / source.relative_to(self.folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                if source.is_dir():
                    shutil.copytree(source, target, symlinks=True)
                else:
                    shutil.copy2(source, target)
        return Place(folder)
