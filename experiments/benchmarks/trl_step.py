"""One step of TRL's GRPOTrainer on a text model with the shape, prompt, G and answers of `grpo_step.py`.

TRL is no part of this project's environment: `grpo_step.py --trl` installs it beside this script and runs this file.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import tempfile
import time
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM, TrainerCallback
from trl import GRPOConfig, GRPOTrainer


class Clock(TrainerCallback):
    """Seconds of each optimiser step, its rollout included."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.started = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.seconds.append(time.perf_counter() - self.started)


def tokenizer_of(vocabulary: int) -> PreTrainedTokenizerFast:
    """A word a token, so that a prompt of n words has n tokens."""
    words = {f"w{n}": n for n in range(vocabulary - 3)} | {
        "<pad>": vocabulary - 3,
        "<eos>": vocabulary - 2,
        "?": vocabulary - 1,
    }
    inner = Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="?"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="<pad>", eos_token="<eos>", unk_token="?")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("prompt", 1500), ("group_size", 4), ("answer", 48), ("vocabulary", 8000), ("steps", 6)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--kl", type=float, default=0.0)
    parser.add_argument("--dtype", default="float32")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=arguments.vocabulary, hidden_size=512, num_hidden_layers=8, num_attention_heads=8,
        num_key_value_heads=8, intermediate_size=1536, max_position_embeddings=4096, tie_word_embeddings=False,
        bos_token_id=None, eos_token_id=arguments.vocabulary - 2, pad_token_id=arguments.vocabulary - 3,
    )  # fmt: skip
    words = [" ".join(f"w{(7 * n + k) % 5000}" for n in range(arguments.prompt)) for k in range(arguments.steps)]
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        settings = GRPOConfig(
            output_dir=folder, per_device_train_batch_size=arguments.group_size, num_generations=arguments.group_size,
            max_completion_length=arguments.answer, max_steps=arguments.steps, beta=arguments.kl, loss_type="grpo",
            temperature=1.0, learning_rate=1e-6, use_cpu=True, bf16=arguments.dtype == "bfloat16",
            gradient_checkpointing=False, report_to="none", save_strategy="no", disable_tqdm=True,
            generation_kwargs={"min_new_tokens": arguments.answer},
        )  # fmt: skip
        trainer = GRPOTrainer(
            model=Qwen2ForCausalLM(config),
            reward_funcs=lambda completions, **_: [0.1 * n for n in range(len(completions))],
            args=settings,
            train_dataset=Dataset.from_dict({"prompt": words}),
            processing_class=tokenizer_of(arguments.vocabulary),
            peft_config=LoraConfig(r=8, lora_alpha=32, target_modules="all-linear"),
            callbacks=[clock],
        )
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        trainer.train()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({
        "form": "trl", "prompt": arguments.prompt, "group_size": arguments.group_size, "dtype": arguments.dtype,
        "kl": arguments.kl, "phases_s": {}, "step_s": round(statistics.median(clock.seconds[1:]), 4),
        "peak_mb": round(peak - before),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
