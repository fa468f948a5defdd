"""The GRPO update with one shared prompt per group against the naive form with the prompt repeated, in one run.

Same weights, same answers, LoRA r 8 on all linear layers, float32, one prompt: the ratio of the medians, the largest
difference of the log-probabilities and the relative difference of the gradients. One line of JSON per case.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import torch
from torch import Tensor

from timepro_lit.grpo.logprobs import answer_logprobs
from timepro_lit.lalm.checkpoint import ModelSource
from timepro_lit.lalm.lora import LoRA
from timepro_lit.lalm.qwen2_5_omni import Qwen2_5Omni
from timepro_lit.lalm.tiny import write_random_checkpoint

SHAPE = {
    "num_mel_bins": 16, "encoder_size": 32, "encoder_layers": 1, "hidden_size": 512, "num_layers": 8,
    "num_heads": 8, "num_kv_heads": 8, "intermediate_size": 1536,
}  # fmt: skip


def naive_logprobs(lalm, prompt_embeds: Tensor, answer_ids: Tensor) -> Tensor:
    """G rows that repeat the prompt, logits of every position: what `generate`-and-forward trainers do."""
    _, group_size, num_tokens = answer_ids.shape
    rows = torch.cat([prompt_embeds.expand(group_size, -1, -1), lalm.embed(answer_ids[0])], dim=1)
    length = rows.shape[1]
    causal = torch.ones(group_size, length, length, dtype=torch.bool).tril()
    hidden = lalm.decode(rows, torch.arange(length).expand(group_size, -1), causal)
    logp = lalm.logits(hidden).log_softmax(-1)[:, -num_tokens - 1 : -1]
    return logp.gather(-1, answer_ids[0][..., None]).squeeze(-1)[None]


def measure(lalm, forward, repeats: int) -> tuple[float, Tensor, Tensor]:
    """Median seconds of forward and backward, log-probabilities, and all gradients as one vector."""
    seconds = []
    for _ in range(repeats):
        lalm.zero_grad()
        start = time.perf_counter()
        logp = forward()
        logp.mean().backward()
        seconds.append(time.perf_counter() - start)
    gradient = torch.cat([w.grad.flatten() for w in lalm.parameters() if w.requires_grad])
    return statistics.median(seconds), logp.detach(), gradient


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompt", type=int, default=1500)
    parser.add_argument("--answer", type=int, default=48)
    parser.add_argument("--groups", type=int, nargs="+", default=[4, 8])
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        write_random_checkpoint(Path(folder), ["user\nassistant\n"], vocab_size=8000, seed=0, **SHAPE)
        backbone = Qwen2_5Omni(folder, dtype="float32", local_files_only=True)
        lalm = ModelSource(backbone, None, LoRA(8, 32)).load()
    for name, weight in lalm.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight.data, std=0.02)
    prompt = torch.randn(1, arguments.prompt, lalm.hidden_size)
    mask = torch.ones(1, arguments.prompt, dtype=torch.bool)
    for group_size in arguments.groups:
        answers = torch.randint(20, 250, (1, group_size, arguments.answer))
        whole = torch.ones_like(answers, dtype=torch.bool)
        ours = measure(lalm, lambda a=answers, m=whole: answer_logprobs(lalm, prompt, mask, a, m), arguments.repeats)
        naive = measure(lalm, lambda a=answers: naive_logprobs(lalm, prompt, a), arguments.repeats)
        case = {
            "prompt": arguments.prompt,
            "answer": arguments.answer,
            "group_size": group_size,
            "shared_s": round(ours[0], 3),
            "naive_s": round(naive[0], 3),
            "ratio": round(ours[0] / naive[0], 3),
            "max_logp_difference": float((ours[1] - naive[1]).abs().max()),
            "relative_gradient_difference": float((ours[2] - naive[2]).norm() / naive[2].norm()),
        }
        print(json.dumps(case), flush=True)


if __name__ == "__main__":
    main()
