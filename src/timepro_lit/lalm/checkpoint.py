"""Everything that says which model answers: base weights, time prompt, adapter. Cheap to make; `load` reads weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from timepro_lit.lalm.base import LALM
from timepro_lit.lalm.frontend import Frontend
from timepro_lit.lalm.lora import LoRA, add_lora, load_adapter
from timepro_lit.time_prompt.prompt import TimePrompt


class Backbone(Protocol):
    """Where base weights come from: what an option of the `model` config group builds."""

    checkpoint: str
    revision: str | None

    def prepare(self, texts: Callable[[], Iterable[str]]) -> None:
        """Make the checkpoint, where it is made here; `texts` gives the corpus' prompts and answers."""
        ...

    def frontend(self, time_prompt: TimePrompt | None) -> Frontend: ...

    def load(self, time_prompt: TimePrompt | None) -> LALM: ...


@dataclass(frozen=True)
class ModelSource:
    """The recipe of one policy."""

    backbone: Backbone
    time_prompt: TimePrompt | None
    lora: LoRA | None
    """A new adapter, where `adapter` is None; both None = the base weights themselves."""
    adapter: Path | None = None
    """Folder of a stored adapter to continue from."""

    def frontend(self) -> Frontend:
        """Tokenizer and feature extractor, without weights."""
        return self.backbone.frontend(self.time_prompt)

    def load(self) -> LALM:
        """Read the weights; the adapter is trainable, everything else frozen."""
        lalm = self.backbone.load(self.time_prompt)
        if self.adapter is not None:
            load_adapter(lalm, self.adapter)
        elif self.lora is not None:
            add_lora(lalm, self.lora)
        return lalm
