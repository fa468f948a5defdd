"""LoRA by peft around the outer task class, so that adapters load anywhere with plain peft."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import nn

from timepro_lit.files.atomic import naming
from timepro_lit.files.json_object import read_object
from timepro_lit.lalm.base import LALM
from timepro_lit.lalm.shared_folder import ADAPTER_CONFIG, ADAPTER_WEIGHTS, MOST_ALPHA, check_adapter

POLICY, REFERENCE = "default", "reference"


@dataclass(frozen=True, slots=True)
class LoRA:
    """Low-rank adaptation of all linear layers of the language model; encoder, embeddings and head stay as they are.

    Raises ValueError for what `check_adapter` would refuse once it is stored.
    """

    rank: int = 8
    alpha: int = 32
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ValueError(f"lora.rank must be at least 1, got {self.rank}")
        if not 0 < self.alpha < MOST_ALPHA:
            raise ValueError(f"lora.alpha must be above 0 and below {MOST_ALPHA:g}, got {self.alpha}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"lora.dropout must be at least 0 and below 1, got {self.dropout}")


def add_lora(lalm: LALM, lora: LoRA) -> None:
    """Wrap the model with a new adapter: trainable, float32 whatever the base's dtype, and at first without effect."""
    from peft import LoraConfig, get_peft_model  # here and below: takes seconds, and settings are checked without it

    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=_linear_layers(lalm),
        task_type="CAUSAL_LM",
    )
    with torch.device("cpu"):  # where a GPU is the default device, it would draw other numbers from the same seed
        lalm.model = get_peft_model(lalm.model, config)


def refuse_other_lora(folder: Path, lora: LoRA | None) -> None:
    """Raise ValueError where training is to go on with a stored adapter that was made by other settings than these."""
    if lora is None:
        raise ValueError(f"lora=none trains the weights themselves, and init_from goes on with the adapter {folder}")
    check_adapter(folder)
    stored = read_object(folder / ADAPTER_CONFIG)
    theirs = LoRA(stored["r"], stored["lora_alpha"], stored.get("lora_dropout", 0.0))
    differing = [
        f"{key}={value}, not {asdict(lora)[key]}" for key, value in asdict(theirs).items() if value != asdict(lora)[key]
    ]
    if differing:
        raise ValueError(f"init_from: {folder} was trained with lora.{' and lora.'.join(differing)}")


def load_adapter(lalm: LALM, folder: Path) -> None:
    """Wrap the model with a stored adapter, trainable.

    Raises FileNotFoundError where the folder holds none, ValueError where it is no plain LoRA, is of another model, or
    holds what is no number.
    """
    from peft import PeftModel

    stored = check_adapter(folder)
    try:
        lalm.model = PeftModel.from_pretrained(lalm.model, str(folder), adapter_name=POLICY, is_trainable=True)
    except RuntimeError as error:  # of torch, for sizes that differ
        raise ValueError(f"{folder} holds an adapter of another model: {str(error).splitlines()[-1]}") from error
    weights = {name: weight for name, weight in lalm.model.named_parameters() if "lora_" in name}
    # peft leaves out what it finds no place for, and draws what it does not find.
    if differing := sorted(stored ^ {name.replace(f".{POLICY}.", ".") for name in weights}):
        raise ValueError(f"{folder}: its weights and target_modules disagree on {differing[0]}")
    if odd := [name for name, weight in weights.items() if not weight.isfinite().all()]:
        raise ValueError(f"{folder / ADAPTER_WEIGHTS}: {odd[0].replace(f'.{POLICY}.', '.')} holds what is no number")


def save_adapter(lalm: LALM, folder: Path) -> None:
    """Store the trained adapter alone, as plain peft does; a reference is left out."""
    # In full: peft shortens them to what tells apart the layers that are there, and more may be where it is loaded.
    # In order: the same adapter is then the same file.
    adapted = [name for name, module in lalm.outer.named_modules() if POLICY in getattr(module, "lora_A", ())]
    lalm.model.peft_config[POLICY].target_modules = adapted
    with naming(folder, SafetensorError):
        lalm.model.save_pretrained(str(folder), selected_adapters=[POLICY])


def add_reference(lalm: LALM) -> None:
    """Keep a frozen copy of the adapter as it is now: the policy that KL is measured against."""
    from peft import PeftModel

    model = lalm.model
    assert isinstance(model, PeftModel), "a reference policy needs an adapter"
    model.add_adapter(REFERENCE, model.peft_config[POLICY])
    weights = dict(model.named_parameters())
    with torch.no_grad():
        for name, weight in weights.items():
            if f".{REFERENCE}." in name:
                weight.copy_(weights[name.replace(f".{REFERENCE}.", f".{POLICY}.")])
    _activate(model, POLICY)


@contextmanager
def reference_policy(lalm: LALM) -> Iterator[None]:
    """Within the context the model answers as the reference, without gradients; afterwards as the policy again.

    Use it *before* the policy's forward: gradient checkpointing recomputes with the adapter active at backward time.
    """
    _activate(lalm.model, REFERENCE)
    try:
        with torch.no_grad():
            yield
    finally:
        _activate(lalm.model, POLICY)


def _activate(model: nn.Module, adapter: str) -> None:
    model.set_adapter(adapter)
    # set_adapter makes the active adapter trainable and the others frozen; the reference never is.
    for name, weight in model.named_parameters():
        if "lora_" in name:
            weight.requires_grad_(f".{POLICY}." in name)


def _linear_layers(lalm: LALM) -> list[str]:
    """Full names, within the outer model, of the language model's linear layers."""
    language_model = lalm.language_model
    inside = {id(module) for module in language_model.modules() if isinstance(module, nn.Linear)}
    return [name for name, module in lalm.model.named_modules() if id(module) in inside]


def without_dropout(lalm: LALM) -> None:
    """Switch dropout off, in whatever mode the model is."""
    for module in lalm.model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0


def runs_alike_in_training(lalm: LALM) -> bool:
    """Whether the language model computes the same in training as in evaluation mode, and may keep a cache in both."""
    checkpointing = any(getattr(module, "gradient_checkpointing", False) for module in lalm.language_model.modules())
    dropout = any(isinstance(module, nn.Dropout) and module.p > 0 for module in lalm.language_model.modules())
    return not checkpointing and not dropout
