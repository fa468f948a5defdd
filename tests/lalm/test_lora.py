from __future__ import annotations

import json
import re
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import PeftModel
from transformers import Qwen2_5OmniThinkerForConditionalGeneration

from timepro_lit.grpo.logprobs import answer_logprobs
from timepro_lit.grpo.loss import Sampled, grpo_loss
from timepro_lit.lalm.checkpoint import ModelSource
from timepro_lit.lalm.lora import LoRA, add_reference, reference_policy, refuse_other_lora, save_adapter
from timepro_lit.lalm.qwen2_5_omni import Qwen2_5Omni
from timepro_lit.time_prompt.prompt import TimePrompt


def load(checkpoint: Path, dtype: str = "float32", adapter: Path | None = None):
    torch.manual_seed(0)
    backbone = Qwen2_5Omni(str(checkpoint), dtype=dtype, local_files_only=True)
    return ModelSource(backbone, TimePrompt(), LoRA(rank=4, alpha=8), adapter).load()


def logprobs(lalm) -> torch.Tensor:
    """Of two answers to one prompt about half a second of noise, through frozen encoder and adapter."""
    clip = (0.1 * np.random.default_rng(0).standard_normal(8000)).astype(np.float32)
    ids = torch.tensor([lalm.frontend.prompt_ids("When?", lalm.frontend.num_frames(8000))])
    features = lalm.frontend.features([clip])
    with torch.no_grad():
        embeds = lalm.embed(ids, lalm.encode_audio(*features))
    answers = torch.tensor([[[20, 21, 22], [23, 24, 25]]])
    return answer_logprobs(lalm, embeds, torch.ones_like(ids, dtype=torch.bool), answers, torch.ones_like(answers) > 0)


def shake(lalm) -> None:
    """Give every LoRA B a value, so that the adapter changes the answers."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, weight in lalm.named_parameters():
            if "lora_B.default" in name:
                weight.copy_(0.2 * torch.randn(weight.shape, generator=generator))


def test_lora_sits_on_the_language_models_linear_layers_alone(checkpoint: Path) -> None:
    lalm = load(checkpoint)
    trained = [name for name, weight in lalm.named_parameters() if weight.requires_grad]
    layer = (
        r"model\.base_model\.model\.model\.language_model\.layers\.\d+\."
        r"(self_attn|mlp)\.\w+_proj\.lora_[AB]\.default\.weight"
    )
    assert len(trained) == 2 * 7 * 2  # A and B of seven linear layers in each of two blocks
    assert all(re.fullmatch(layer, name) for name in trained)


def test_one_step_at_1e_6_moves_every_b_matrix_on_a_bfloat16_base(checkpoint: Path) -> None:
    lalm = load(checkpoint, dtype="bfloat16")
    matrices = {name: weight for name, weight in lalm.named_parameters() if weight.requires_grad}
    assert all(weight.dtype == torch.float32 for weight in matrices.values())
    shake(lalm)
    before = {name: weight.detach().clone() for name, weight in matrices.items()}
    optimizer = torch.optim.AdamW(matrices.values(), lr=1e-6, weight_decay=0.0)
    (-logprobs(lalm).mean()).backward()
    optimizer.step()
    for name, weight in matrices.items():
        assert not torch.equal(weight, before[name]), name


def test_the_reference_is_the_adapter_as_it_was(checkpoint: Path, tmp_path: Path) -> None:
    lalm = load(checkpoint)
    shake(lalm)
    add_reference(lalm)
    with reference_policy(lalm):
        before = logprobs(lalm)
    torch.testing.assert_close(before, logprobs(lalm).detach(), atol=0, rtol=0)  # KL 0 at step 0

    trained = [weight for weight in lalm.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-2)
    advantages = torch.tensor([[1.0, -1.0]])
    for _ in range(10):
        with reference_policy(lalm):
            reference = logprobs(lalm)
        logp = logprobs(lalm)
        loss, stats = grpo_loss(
            logp, logp.detach(), advantages, torch.ones_like(logp, dtype=torch.bool),
            sampled=Sampled(2, 9), reference_logp=reference, kl_coefficient=0.04,
        )  # fmt: skip
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(stats["kl"]) > 0
    with reference_policy(lalm):
        assert torch.equal(logprobs(lalm), before)
    assert all(weight.requires_grad for weight in trained)

    save_adapter(lalm, tmp_path / "adapter")
    assert sorted(p.name for p in (tmp_path / "adapter").iterdir() if p.suffix != ".md") == [
        "adapter_config.json", "adapter_model.safetensors",
    ]  # fmt: skip


def test_gradient_checkpointing_changes_no_gradient_beside_a_reference(checkpoint: Path) -> None:
    gradients = []
    for checkpointing in (False, True):
        lalm = load(checkpoint)
        shake(lalm)
        add_reference(lalm)
        lalm.train()
        if checkpointing:
            lalm.language_model.activation_checkpointing_enable({"use_reentrant": False})
        with reference_policy(lalm):
            reference = logprobs(lalm)
        logp = logprobs(lalm)
        loss, _ = grpo_loss(
            logp, logp.detach(), torch.tensor([[1.0, -1.0]]), torch.ones_like(logp, dtype=torch.bool),
            sampled=Sampled(2, 9), reference_logp=reference, kl_coefficient=0.5,
        )  # fmt: skip
        loss.backward()
        gradients.append({n: w.grad for n, w in lalm.named_parameters() if w.requires_grad})
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name], atol=1e-7, rtol=1e-5)


def test_a_stored_adapter_loads_with_plain_peft_and_answers_alike(checkpoint: Path, tmp_path: Path) -> None:
    lalm = load(checkpoint)
    shake(lalm)
    save_adapter(lalm, tmp_path)
    torch.testing.assert_close(logprobs(load(checkpoint, adapter=tmp_path)), logprobs(lalm))
    plain = PeftModel.from_pretrained(Qwen2_5OmniThinkerForConditionalGeneration.from_pretrained(checkpoint), tmp_path)
    ours = {n.removeprefix("model."): w for n, w in lalm.named_parameters() if "lora_" in n}
    theirs = {n: w for n, w in plain.named_parameters() if "lora_" in n}
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[n], theirs[n]) for n in ours)


@pytest.mark.parametrize(
    ("lora", "fault"),
    [
        (LoRA(rank=8, alpha=8), r"init_from: .* was trained with lora\.rank=4, not 8"),
        (LoRA(rank=4, alpha=16, dropout=0.1), r"lora\.alpha=8, not 16 and lora\.dropout=0\.0, not 0\.1"),
        (None, "lora=none trains the weights themselves, and init_from goes on with the adapter"),
        (LoRA(rank=4, alpha=8), None),
    ],
)
def test_another_adapter_than_is_asked_for_is_not_gone_on_with(
    lora: LoRA | None, fault: str | None, checkpoint: Path, tmp_path: Path
) -> None:
    save_adapter(load(checkpoint), tmp_path)
    with nullcontext() if fault is None else pytest.raises(ValueError, match=fault):
        refuse_other_lora(tmp_path, lora)


@pytest.mark.parametrize("odd", [{"rank": 0}, {"alpha": 0}, {"alpha": 2_000_000}, {"dropout": 1.0}, {"dropout": -0.1}])
def test_what_could_not_be_loaded_again_is_not_trained(odd: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"lora.{next(iter(odd))} must be"):
        LoRA(**odd)  # type: ignore[arg-type]


def test_a_folder_without_adapter_is_named(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no adapter"):
        load(checkpoint, adapter=tmp_path)


def test_an_adapter_of_a_model_without_its_vision_tower_stays_on_the_language_model(
    checkpoint: Path, tmp_path: Path
) -> None:
    save_adapter(load(checkpoint), tmp_path)
    whole = Qwen2_5OmniThinkerForConditionalGeneration.from_pretrained(checkpoint, dtype=torch.float32)
    adapted = [name for name, _ in PeftModel.from_pretrained(whole, tmp_path).named_parameters() if "lora_" in name]
    assert len(adapted) == 2 * 7 * 2
    assert all(".language_model." in name for name in adapted)
    named = json.loads((tmp_path / "adapter_config.json").read_text())["target_modules"]
    modules = dict(whole.named_modules())  # the same adapter is the same file: in order, and in full
    assert named == [name for name in modules if f"{name}.lora_A.default" in modules]
