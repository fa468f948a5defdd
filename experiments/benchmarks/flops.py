"""Floating-point operations of the phases of a GRPO step, by count: what a measured second is held against.

A frozen weight is used once forward and once backward (the gradient of its input), two operations each; attention costs
twice its forward on the way back. Norms, softmax, adapters and the audio encoder are left out: some per cent.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from timepro_lit.lalm.base import LALM


@dataclass(frozen=True)
class Model:
    """What the counts depend on."""

    weights: int
    """Of the linear layers of the language model."""
    head: int
    """Hidden size times vocabulary."""
    attention: int
    """Layers times heads times their size."""

    @classmethod
    def of(cls, lalm: LALM) -> Model:
        """Read from the loaded model."""
        config = lalm.language_model.config
        size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        linear = {name: m for name, m in lalm.language_model.named_modules() if isinstance(m, nn.Linear)}
        weights = sum(m.weight.numel() for name, m in linear.items() if "lora_" not in name)
        attention = config.num_hidden_layers * config.num_attention_heads * size
        return cls(weights, config.hidden_size * lalm.vocab_size, attention)

    def forward(self, tokens: float, pairs: float, logits: float = 0) -> float:
        """Of `tokens` through the layers, attending so many query-key pairs, and `logits` positions of the head."""
        return 2 * self.weights * tokens + 4 * self.attention * pairs + 2 * self.head * logits

    def backward(self, tokens: float, pairs: float, logits: float = 0) -> float:
        """The same on the way back to the adapters."""
        return 2 * self.weights * tokens + 8 * self.attention * pairs + 2 * self.head * logits


def phases(model: Model, form: str, prompts: int, prompt: int, group: int, answer: int, kl: float) -> dict[str, float]:
    """Operations of each phase of a form, reference pass included where there is a KL term."""
    fed = group * (answer - 1)
    own = fed * answer / 2
    causal, behind = prompt * prompt / 2, fed * prompt + own
    decode = model.forward(fed, behind, group * answer)
    if form == "greedy":
        prefill, reference, update = model.forward(prompt, causal), 0.0, 0.0
    elif form in ("one_pass", "packed"):
        answers, whole = (fed, behind, group * answer), (prompt + fed, causal + behind, group * answer)
        prefill = model.forward(prompt, causal)
        if form == "one_pass":
            update = model.forward(*answers) + model.backward(*whole)
        else:
            update = model.forward(*whole) + model.backward(*whole)
        reference = model.forward(*whole)
    elif form == "sft":
        row = (prompt + answer - 1, (prompt + answer) ** 2 / 2, answer)
        prefill, decode, reference, update = 0.0, 0.0, 0.0, model.forward(*row) + model.backward(*row)
    else:
        num_logits = group * (prompt + answer if form == "naive" else answer)
        rows = (group * (prompt + answer), group * (prompt + answer) ** 2 / 2, num_logits)
        prefill = group * model.forward(prompt, causal)
        update, reference = model.forward(*rows) + model.backward(*rows), model.forward(*rows)
    of_prompt = {"prefill": prefill, "decode": decode, "update": update + (reference if kl else 0.0)}
    return {name: prompts * count for name, count in of_prompt.items() if count}
