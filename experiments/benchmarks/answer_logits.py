"""Peak memory of an SFT step at 30 s, stride 1 and a vocabulary of 152,064.

Our loss on answer positions against the library's own forward, which makes logits of the whole sequence. Each form runs
in a process of its own.

python experiments/benchmarks/answer_logits.py
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from model import write_checkpoint
from torch import Tensor

from timepro_lit.grpo.logprobs import answer_logprobs
from timepro_lit.lalm.checkpoint import ModelSource
from timepro_lit.lalm.lora import LoRA
from timepro_lit.lalm.qwen2_5_omni import Qwen2_5Omni
from timepro_lit.time_prompt.prompt import TimePrompt

VOCABULARY = 152_064
ANSWER_TOKENS = 64
SHAPE = {
    "num_mel_bins": 80, "encoder_size": 64, "encoder_layers": 1, "hidden_size": 256, "num_layers": 4, "num_heads": 4,
    "num_kv_heads": 2, "intermediate_size": 512,
}  # fmt: skip
"""Small but for the vocabulary."""


def step(folder: Path, form: str) -> dict[str, float]:
    """One forward and backward pass; peak memory above what the loaded model and its inputs took, in MB."""
    torch.manual_seed(0)
    lalm = ModelSource(Qwen2_5Omni(str(folder), dtype="float32"), TimePrompt(), LoRA()).load().train()
    clip = (0.1 * np.random.default_rng(0).standard_normal(30 * 16_000)).astype(np.float32)
    ids = torch.tensor([lalm.frontend.prompt_ids("When?", lalm.frontend.num_frames(len(clip)))])
    answer = torch.arange(ANSWER_TOKENS)[None, None] + 20
    with torch.no_grad():
        embeds = lalm.embed(ids, lalm.encode_audio(*lalm.frontend.features([clip])))
    before, started = _peak_mb(), time.perf_counter()
    loss = answer_loss(lalm, embeds, answer) if form == "answer" else full_loss(lalm, embeds, answer)
    loss.backward()
    return {
        "form": form,
        "tokens": ids.shape[1] + ANSWER_TOKENS,
        "loss": round(loss.item(), 4),
        "peak_mb": round(_peak_mb() - before),
        "seconds": round(time.perf_counter() - started, 2),
    }


def answer_loss(lalm: torch.nn.Module, embeds: Tensor, answer: Tensor) -> Tensor:
    """Ours: the output head on the positions that predict an answer token."""
    mask = torch.ones(embeds.shape[:2], dtype=torch.bool)
    return -answer_logprobs(lalm, embeds, mask, answer, torch.ones_like(answer, dtype=torch.bool)).mean()


def full_loss(lalm: torch.nn.Module, embeds: Tensor, answer: Tensor) -> Tensor:
    """The library's: labels of -100 on the prompt, logits of every position."""
    inputs = torch.cat([embeds, lalm.embed(answer[0])], dim=1)
    labels = torch.cat([torch.full(embeds.shape[:2], -100), answer[0]], dim=1)
    return lalm.outer(inputs_embeds=inputs, attention_mask=torch.ones(inputs.shape[:2]), labels=labels).loss


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--form", choices=("answer", "full"))
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    if arguments.form:
        print(json.dumps(step(arguments.folder, arguments.form)))
        return
    with tempfile.TemporaryDirectory() as folder:
        write_checkpoint(Path(folder), VOCABULARY, shape=SHAPE)
        for form in ("answer", "full"):
            command = [sys.executable, __file__, "--form", form, "--folder", folder]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            print(done.stdout.splitlines()[-1])
        num_tokens = json.loads(done.stdout.splitlines()[-1])["tokens"]
    print(json.dumps({"one float32 tensor of all logits, MB": round(num_tokens * VOCABULARY * 4 / 2**20)}))


if __name__ == "__main__":
    main()
