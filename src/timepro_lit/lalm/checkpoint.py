"""Everything that says which model answers: base weights, time prompt, adapter. Cheap to make; `load` reads weights."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from huggingface_hub import hf_hub_download

from timepro_lit.files.atomic import write_atomically
from timepro_lit.files.fingerprint import file_digest, fingerprint
from timepro_lit.files.json_object import read_object, shown
from timepro_lit.lalm.base import LALM
from timepro_lit.lalm.frontend import Frontend
from timepro_lit.lalm.lora import LoRA, add_lora, load_adapter, save_adapter
from timepro_lit.lalm.shared_folder import ADAPTER_CONFIG, ADAPTER_WEIGHTS, PROVENANCE, check_adapter
from timepro_lit.time_prompt.prompt import TimePrompt

TRAINED_WITH = "trained_with.json"
"""Beside an adapter's weights: the base and the time prompt that it was trained with."""


@runtime_checkable
class Backbone(Protocol):
    """Where base weights come from: what an option of the `model` config group builds."""

    checkpoint: str
    revision: str | None
    dtype: str
    """Of the base weights, as torch names it."""
    whole_prefix: str
    """Where the model stands within a larger one of its family, as names of weights begin; "" = it is the whole."""

    def cached(self, name: str) -> Path | None:
        """A file of the checkpoint, where it has one of this name."""
        ...

    def at(self, checkpoint: Path) -> Backbone:
        """The same with the weights in another folder."""
        ...

    def make_checkpoint(self, texts: Callable[[], Iterable[str]]) -> None:
        """Make the checkpoint, where it is made here; `texts` gives the corpus' prompts and answers."""
        ...

    def frontend(self, time_prompt: TimePrompt | None) -> Frontend: ...

    def load(self, time_prompt: TimePrompt | None, whole: bool = False) -> LALM: ...


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

    @property
    def trains_base(self) -> bool:
        """Whether there is no adapter, so that training it means the base weights."""
        return self.lora is None and self.adapter is None

    def load_whole(self) -> LALM:
        """As `load`, with what only others need, so that the base can be stored again."""
        return self.load(whole=True)

    def load(self, whole: bool = False) -> LALM:
        """Read the weights; the adapter is trainable, everything else frozen.

        Raises ValueError, before a weight is read, where a stored adapter was trained with another base or time prompt.
        """
        if self.adapter is not None:
            self._check_adapter(self.adapter)
        lalm = self.backbone.load(self.time_prompt, whole)
        if self.adapter is not None:
            load_adapter(lalm, self.adapter)
        elif self.lora is not None:
            add_lora(lalm, self.lora)
        return lalm

    def save_adapter(self, lalm: LALM, folder: Path) -> None:
        """Store a trained adapter as plain peft does, and what it was trained with beside it."""
        save_adapter(lalm, folder)
        write_atomically(folder / TRAINED_WITH, json.dumps(self._trained_with(), indent=1))

    def _trained_with(self) -> dict[str, Any]:
        return {
            "base": self.backbone.checkpoint,
            "base_fingerprint": base_fingerprint(self.backbone),
            "time_prompt": None if self.time_prompt is None else asdict(self.time_prompt),
        }

    def _check_adapter(self, folder: Path) -> None:
        path = folder / TRAINED_WITH
        if not path.exists():  # of plain peft, which says nothing about either
            return
        theirs, ours = read_object(path), self._trained_with()
        for key, kinds in (("base", str), ("base_fingerprint", str), ("time_prompt", dict | None)):
            if not isinstance(theirs.get(key), kinds):
                raise ValueError(f"{path}: {key} is {shown(theirs.get(key))}")
        hashes = theirs["base_fingerprint"], ours["base_fingerprint"]
        if _are_different(*hashes):
            raise ValueError(
                f"the adapter {folder} was trained on another base, {theirs['base']} ({hashes[0]}), "
                f"not on {ours['base']} ({hashes[1]})"
            )
        # What an earlier version did not have yet has its default there.
        prompts = theirs["time_prompt"], ours["time_prompt"]
        before, now = (asdict(TimePrompt()) | prompt if prompt else {} for prompt in prompts)
        differing = [
            f"{key} = {before.get(key)}, now {now.get(key)}"
            for key in sorted(before.keys() | now.keys())
            if before.get(key) != now.get(key)
        ]
        if differing:
            raise ValueError(f"the adapter {folder} was trained with another time prompt: {'; '.join(differing)}")


def base_fingerprint(model: Backbone) -> str:
    """Of the files of a local checkpoint; of a hub's, its name and the commit that is loaded, "name@commit".

    Raises OSError where the hub's checkpoint is neither here nor can be asked for.
    """
    folder = Path(model.checkpoint)
    if folder.exists():
        return fingerprint(folder)
    # The same look-up as that of the weights: offline the snapshot that is here, online what the revision is now.
    offline = getattr(model, "local_files_only", False)
    try:
        config = hf_hub_download(model.checkpoint, "config.json", revision=model.revision, local_files_only=offline)
    except (OSError, ValueError) as error:
        reason = str(error).split("\n")[0]
        raise OSError(f"model.checkpoint = {model.checkpoint}: its commit cannot be found out: {reason}") from error
    return f"{model.checkpoint}@{Path(config).parent.name}"


def adapter_fingerprint(folder: Path) -> str:
    """Of all that training goes on from: an adapter's weights, its configuration, and what it was trained with.

    Where its base lay does not count: the base has a fingerprint of its own. Raises as `check_adapter` does.
    """
    check_adapter(folder)
    config = read_object(folder / ADAPTER_CONFIG)
    trained_with = read_object(folder / TRAINED_WITH) if (folder / TRAINED_WITH).exists() else {}
    trained_with.pop("base", None)
    kept = {key: value for key, value in config.items() if key not in PROVENANCE}
    said = json.dumps([file_digest(folder / ADAPTER_WEIGHTS), kept, trained_with], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def _are_different(one: str, other: str) -> bool:
    """Whether two fingerprints are certain to be of two bases: a name on the hub and a folder cannot be compared.

    Nor can a commit and the name of a branch, which adapters of earlier versions have.
    """
    if ("@" in one) != ("@" in other):
        return False
    (name, _, commit), (other_name, _, other_commit) = one.partition("@"), other.partition("@")
    comparable = all(re.fullmatch("[0-9a-f]{40}", text) for text in (commit, other_commit))
    return name != other_name or (comparable and commit != other_commit)
