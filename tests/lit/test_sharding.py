from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Trainer
from lightning.pytorch.strategies import DeepSpeedStrategy

from timepro_lit.data.collate import CollateInterviews
from timepro_lit.lalm.checkpoint import ModelSource
from timepro_lit.lalm.lora import LoRA
from timepro_lit.lalm.qwen2_5_omni import Qwen2_5Omni
from timepro_lit.lalm.tiny import write_random_checkpoint
from timepro_lit.lit import training
from timepro_lit.lit.sft import SFT
from timepro_lit.lit.sharding import arrival_order, check_launch, check_strategy
from timepro_lit.records import Event, Example, Sample
from timepro_lit.tasks.grounding import Grounding
from timepro_lit.time_prompt.prompt import TimePrompt

EXAMPLE = Example("clip", "ag", "0.flac", 0.6, (Event(0.04, 0.4, "a dog barks"),), "a dog barks")


@pytest.mark.parametrize("lora", [LoRA(4, 8), None])
def test_zero_gradients_arrive_in_the_order_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lora: LoRA | None
) -> None:
    """DeepSpeed adds up gradients over processes in the order in which each of them finishes its own."""
    texts = [Grounding().prompt(EXAMPLE), Grounding().target(EXAMPLE), "user\nassistant\n"]
    write_random_checkpoint(
        tmp_path, texts, vocab_size=400, seed=0, num_mel_bins=16, encoder_size=32, encoder_layers=1,
        hidden_size=48, num_layers=2, num_heads=3, num_kv_heads=1, intermediate_size=64,
    )  # fmt: skip
    source = ModelSource(Qwen2_5Omni(str(tmp_path), "float32", local_files_only=True), TimePrompt(), lora)
    module = SFT(source.load, {"ag": Grounding()}, {}, learning_rate=1e-3)
    module.trainer = Trainer(accelerator="cpu", logger=False)
    monkeypatch.setattr(training, "mixes_by_arrival", lambda trainer: True)
    module.configure_model()
    if lora is None:
        module.lalm.language_model.requires_grad_(True)
    batch = CollateInterviews(source.frontend(), {"ag": Grounding()})([[Sample(EXAMPLE, torch.rand(9600) - 0.5)]])
    names = {weight: name for name, weight in module.named_parameters()}
    expected = [names[w] for w in arrival_order(module.loss(batch)[0], module.parameters())]
    assert set(expected) == {name for weight, name in names.items() if weight.requires_grad}
    assert [names[w] for w in arrival_order(module.zero_loss(), module.parameters())] == expected


@pytest.mark.parametrize("precision", ["bf16-true", "16-true"])
def test_weights_are_not_rounded(precision: str) -> None:
    trainer = Trainer(accelerator="cpu", logger=False)
    trainer.strategy.precision_plugin.precision = precision
    with pytest.raises(ValueError, match=rf"trainer\.precision: {precision} rounds the trained weights"):
        check_strategy(trainer)


@pytest.mark.parametrize(
    "config", [{}, {"bf16": {"enabled": True}}, {"fp16": {"enabled": True}, "bf16": {"enabled": 0}}]
)
def test_the_engine_of_deepspeed_rounds_no_weights(config: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = Trainer(accelerator="cpu", logger=False)
    strategy = object.__new__(DeepSpeedStrategy)
    strategy.config = {"zero_optimization": {"stage": 2}} | config
    monkeypatch.setattr(type(trainer), "strategy", strategy)
    monkeypatch.setattr(type(trainer), "precision", "bf16-mixed")
    with pytest.raises(ValueError, match=r"trainer\.strategy: DeepSpeed's own (bf16|fp16) keeps the trained weights"):
        check_strategy(trainer)
    strategy.config = {"bf16": {"enabled": False}, "torch_autocast": {"enabled": True}}
    check_strategy(trainer)


@pytest.mark.parametrize("strategy", ["ddp_fork", "ddp_spawn", "ddp_notebook"])
def test_processes_are_started_anew(strategy: str) -> None:
    with pytest.raises(ValueError, match=r"trainer\.strategy: forked and spawned processes would all read"):
        check_launch(Trainer(accelerator="cpu", devices=2, strategy=strategy, logger=False))
    check_launch(Trainer(accelerator="cpu", devices=2, strategy="ddp", logger=False))
