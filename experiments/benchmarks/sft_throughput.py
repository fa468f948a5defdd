"""Fine-tuning, samples a second: token-budget batches and answer-only logits beside the Hugging Face Trainer.

One model (28 M parameters, LoRA r 8, float32), the same clips and questions on FTAR-like lengths, no time prompt, for
the library's model knows none.

python experiments/benchmarks/sft_throughput.py
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from lightning import Trainer
from mix import TASKS, ftar_like
from model import write_checkpoint
from torch.utils.data import DataLoader

from timepro_lit.data.collate import BUDGET_MULTIPLE, CollateInterviews, dialogue
from timepro_lit.data.costs import Costs
from timepro_lit.data.dataset import Clips
from timepro_lit.data.division import ByTokens
from timepro_lit.data.global_batches import GlobalBatches
from timepro_lit.data.manifest import write_manifest
from timepro_lit.data.sampler import TrainingBatches
from timepro_lit.data.table import ExampleTable
from timepro_lit.lalm.checkpoint import ModelSource
from timepro_lit.lalm.lora import LoRA
from timepro_lit.lalm.qwen2_5_omni import Qwen2_5Omni
from timepro_lit.lit.sft import SFT
from timepro_lit.records import Sample

NUM_SAMPLES, BATCH, MAX_TOKENS, REPEATS = 96, 8, 4096, 5


def ours(source: ModelSource, samples: Sequence[Sample], folder: Path) -> float:
    """Seconds of an epoch."""
    table = ExampleTable([(folder / "train.jsonl", "")])
    costs = Costs(source.frontend(), TASKS, table, with_answers=True).of_rows(Clips(np.arange(len(samples))))
    steps = GlobalBatches(table.durations_s, table.tasks, BATCH, seed=0)
    batches = TrainingBatches(steps, ByTokens(costs, MAX_TOKENS), len(steps))
    loader = DataLoader(
        [(sample,) for sample in samples],  # type: ignore[arg-type]
        batch_sampler=batches,
        collate_fn=CollateInterviews(source.frontend(), TASKS, BUDGET_MULTIPLE),
    )
    module = SFT(source.load, TASKS, {}, learning_rate=1e-4)
    trainer = Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, use_distributed_sampler=False, default_root_dir=folder, gradient_clip_val=1.0,
        accumulate_grad_batches=batches.num_micro_batches,
    )  # fmt: skip
    module.configure_model()
    started = time.perf_counter()
    trainer.fit(module, loader)
    return time.perf_counter() - started


def theirs(source: ModelSource, samples: Sequence[Sample], folder: Path) -> float:
    """Seconds of an epoch in the Hugging Face Trainer: random batches, features padded to 30 s, all logits."""
    lalm = source.load()
    front = lalm.frontend

    def collate(chosen: Sequence[Sample]) -> dict[str, Any]:
        pairs = [dialogue(sample, front, TASKS) for sample in chosen]
        length = max(len(prompt) + len(answer) for prompt, answer in pairs)
        ids, labels = (torch.full((len(pairs), length), filler) for filler in (front.pad_id, -100))
        for row, (prompt, answer) in enumerate(pairs):
            ids[row, : len(prompt) + len(answer)] = torch.tensor(prompt + answer)
            labels[row, len(prompt) : len(prompt) + len(answer)] = torch.tensor(answer)
        audio = front.feature_extractor(
            [sample.waveform.numpy() for sample in chosen], sampling_rate=16_000, padding="max_length",
            return_attention_mask=True, return_tensors="pt",
        )  # fmt: skip
        lengths = [len(prompt) + len(answer) for prompt, answer in pairs]
        mask = (torch.arange(length) < torch.tensor(lengths)[:, None]).long()
        return {"input_ids": ids, "attention_mask": mask, "labels": labels, "input_features": audio["input_features"],
                "feature_attention_mask": audio["attention_mask"]}  # fmt: skip

    settings = transformers.TrainingArguments(
        output_dir=str(folder / "hf"), per_device_train_batch_size=BATCH, num_train_epochs=1, learning_rate=1e-4,
        use_cpu=True, report_to="none", save_strategy="no", logging_strategy="no", remove_unused_columns=False,
        disable_tqdm=True,
    )  # fmt: skip
    trainer = transformers.Trainer(lalm.model, settings, data_collator=collate, train_dataset=list(samples))  # type: ignore[arg-type]
    started = time.perf_counter()
    trainer.train()
    return time.perf_counter() - started


def main() -> None:
    examples = ftar_like(NUM_SAMPLES, seed=0)
    generator = torch.Generator().manual_seed(0)
    samples = [Sample(e, torch.rand(round(16_000 * e.duration_s), generator=generator) - 0.5) for e in examples]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_manifest(folder / "train.jsonl", examples)
        texts = [text for e in examples for text in (TASKS[e.task].prompt(e), TASKS[e.task].target(e))]
        write_checkpoint(folder / "model", texts=texts)
        source = ModelSource(Qwen2_5Omni(str(folder / "model"), dtype="float32"), None, LoRA(8, 32))
        seconds: dict[str, list[float]] = {"ours": [], "hugging_face_trainer": []}
        for _ in range(REPEATS):  # by turns, so that both meet the same machine
            seconds["ours"].append(ours(source, samples, folder))
            seconds["hugging_face_trainer"].append(theirs(source, samples, folder))
    rates = {name: round(NUM_SAMPLES / statistics.median(of_form), 2) for name, of_form in seconds.items()}
    ratio = round(rates["ours"] / rates["hugging_face_trainer"], 2)
    print(json.dumps({"benchmark": "sft_throughput", "samples_per_s": rates, "ratio": ratio}))


if __name__ == "__main__":
    main()
