from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from lightning import Trainer

from timepro_lit.data.collate import Collate, CollateInterviews
from timepro_lit.data.whole_steps import WholeSteps
from timepro_lit.grpo.loss import ConstantLength, TokenMean
from timepro_lit.lalm.base import LALM
from timepro_lit.lalm.checkpoint import ModelSource
from timepro_lit.lalm.lora import LoRA, add_reference
from timepro_lit.lalm.qwen2_5_omni import Qwen2_5Omni
from timepro_lit.lalm.tiny import write_random_checkpoint
from timepro_lit.lit.base import AnsweringModule
from timepro_lit.lit.experience import Experience
from timepro_lit.lit.grpo import GRPO
from timepro_lit.lit.sft import SFT
from timepro_lit.records import Batch, Event, Example, Sample
from timepro_lit.rewards.adaptive import AdaptiveReward
from timepro_lit.tasks.grounding import Grounding
from timepro_lit.time_prompt.prompt import TimePrompt

EXAMPLES = tuple(
    Example(f"clip-{i}", "ag", f"{i}.flac", 0.6, (Event(0.04, 0.4, "a dog barks"),), "a dog barks") for i in range(3)
)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> ModelSource:
    folder = tmp_path_factory.mktemp("thinker")
    texts = [Grounding().prompt(EXAMPLES[0]), Grounding().target(EXAMPLES[0]), "user\nassistant\n"]
    write_random_checkpoint(
        folder, texts, vocab_size=400, seed=0, num_mel_bins=16, encoder_size=32, encoder_layers=1,
        hidden_size=48, num_layers=2, num_heads=3, num_kv_heads=1, intermediate_size=64,
    )  # fmt: skip
    return ModelSource(Qwen2_5Omni(str(folder), "float32", local_files_only=True), TimePrompt(), LoRA(4, 8))


def samples_of(examples: tuple[Example, ...] = EXAMPLES) -> list[Sample]:
    generator = torch.Generator().manual_seed(0)
    return [Sample(e, 0.1 * torch.randn(9600, generator=generator).clamp(-1, 1)) for e in examples]


def batch_of(source: ModelSource, examples: tuple[Example, ...] = EXAMPLES) -> Batch:
    return Collate(source.frontend(), {"ag": Grounding()})(samples_of(examples))


def by_length(predictions, example) -> list[float]:
    """A reward that ranks even the gibberish of random weights."""
    return [0.1 * (i % 4) for i in range(len(predictions))]


def flat(predictions, example) -> list[float]:
    return [0.5] * len(predictions)


def grpo(source: ModelSource, reward, **settings) -> GRPO:
    torch.manual_seed(0)
    arguments = {"learning_rate": 1e-3, "group_size": 4, "max_new_tokens": 6} | settings
    return GRPO(source.load, {"ag": Grounding()}, {}, AdaptiveReward(reward, None), **arguments)


def fit(module, batches: list[Batch] | WholeSteps, folder: Path, accumulation: int = 1) -> dict[str, torch.Tensor]:
    trainer = Trainer(
        accelerator="cpu", max_steps=len(batches) // accumulation, accumulate_grad_batches=accumulation, logger=False,
        enable_checkpointing=False, default_root_dir=folder,
        enable_progress_bar=False, enable_model_summary=False, limit_val_batches=0,
    )  # fmt: skip
    if isinstance(batches, list):
        batches = torch.utils.data.DataLoader(batches, batch_size=None, collate_fn=lambda batch: batch)
    trainer.fit(module, batches)
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


def descend(module) -> None:
    """Train by plain gradient descent, so that the size of a gradient shows in the weights."""
    module.configure_optimizers = lambda: torch.optim.SGD([w for w in module.parameters() if w.requires_grad], lr=1.0)


def trained_weights(module) -> dict[str, torch.Tensor]:
    return {name: w.detach().clone() for name, w in module.named_parameters() if w.requires_grad}


def test_kl_is_zero_at_the_first_step_and_the_adapter_moves(source: ModelSource, tmp_path: Path) -> None:
    module = grpo(source, by_length)
    logged = fit(module, [batch_of(source)], tmp_path)
    assert logged["grpo/kl"] == 0.0
    assert logged["grpo/no_signal"] == 0.0
    assert any(w.abs().sum() > 0 for name, w in trained_weights(module).items() if "lora_B" in name)


def test_flat_groups_without_kl_leave_the_adapter_alone(source: ModelSource, tmp_path: Path) -> None:
    module = grpo(source, flat, kl_coefficient=0.0)
    logged = fit(module, [batch_of(source)], tmp_path)
    assert logged["grpo/no_signal"] == 1.0
    assert logged["grpo/loss"] == 0.0
    assert all(w.abs().sum() == 0 for name, w in trained_weights(module).items() if "lora_B" in name)


def test_answers_do_not_depend_on_the_batch_they_are_sampled_in(source: ModelSource) -> None:
    module = grpo(source, flat, kl_coefficient=0.0)
    module.configure_model()
    whole, one = batch_of(source), batch_of(source, EXAMPLES[:1])
    together = module.roll_out(whole.examples, module.run_prompts(whole, module.prompt_embeds(whole)))
    alone = module.roll_out(one.examples, module.run_prompts(one, module.prompt_embeds(one)))
    num = alone.answer_ids.shape[2]
    assert torch.equal(together.answer_ids[0, :, :num][alone.answer_mask[0]], alone.answer_ids[0][alone.answer_mask[0]])


@pytest.mark.parametrize("update", ["one_pass", "packed"])
def test_skipping_flat_groups_changes_no_gradient(source: ModelSource, update: str) -> None:
    """Prompt 0 has signal, prompts 1 and 2 have none: leaving them out must equal counting their zeros."""
    module = grpo(source, flat, kl_coefficient=0.0, update=update)
    module.configure_model()
    batch = batch_of(source)
    embeds = module.prompt_embeds(batch)
    rollouts = module.roll_out(batch.examples, module.run_prompts(batch, embeds))
    advantages = torch.tensor([[1.0, -1.0, 0.5, -0.5], [0.0] * 4, [0.0] * 4])
    gradients = []
    for kl in (0.0, 1e-12):  # a KL weight that rounds to nothing, but makes every group count
        if kl:
            add_reference(module.lalm)
        module.kl_coefficient = kl
        module.zero_grad()
        prefix = module.run_prompts(batch, embeds)
        experience = Experience(embeds, prefix, rollouts, advantages, module.kept(advantages))
        module.policy_loss(experience, module.logprobs(batch, experience)).backward()
        gradients.append({n: w.grad.clone() for n, w in module.named_parameters() if w.requires_grad})
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name], atol=1e-7, rtol=1e-5)


@pytest.mark.parametrize("kl_coefficient", [0.0, 0.04])
def test_both_forms_of_the_update_learn_the_same(source: ModelSource, tmp_path: Path, kl_coefficient: float) -> None:
    trained = {}
    for update in ("one_pass", "packed"):
        module = grpo(source, by_length, kl_coefficient=kl_coefficient, update=update)
        fit(module, [batch_of(source)] * 2, tmp_path)
        trained[update] = trained_weights(module)
    for name, weight in trained["packed"].items():
        torch.testing.assert_close(trained["one_pass"][name], weight, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("update", ["one_pass", "packed"])
def steps_of_rollouts(module: GRPO) -> list[int]:
    """Is told, from now on, the step of each loop of sampling."""
    steps: list[int] = []
    roll_out = module.roll_out
    module.roll_out = lambda *a: steps.append(module.global_step) or roll_out(*a)  # type: ignore[method-assign]
    return steps


@pytest.mark.parametrize("update", ["one_pass", "packed"])
def test_a_rollout_is_used_for_several_updates_and_then_forgotten(
    source: ModelSource, tmp_path: Path, update: str
) -> None:
    module = grpo(source, by_length, updates_per_rollout=3, update=update, learning_rate=1e-2)
    sampled = steps_of_rollouts(module)
    logged = fit(module, [batch_of(source)] * 6, tmp_path)
    assert sampled == [0, 3]
    assert module.window == {}
    assert logged["grpo/ratio_mean"] != 1.0  # of the last update, two steps after the rollout


def test_a_rollout_of_which_an_update_was_left_out_is_not_used_an_epoch_later(
    source: ModelSource, tmp_path: Path
) -> None:
    """In the second update of two, one of the recordings cannot be read; then, in the first, none."""
    module = grpo(source, by_length, updates_per_rollout=2)
    sampled = steps_of_rollouts(module)
    whole, less, none = batch_of(source), batch_of(source, EXAMPLES[:1]), batch_of(source, ())
    fit(module, [whole, less, whole, whole, none, whole], tmp_path)
    assert sampled == [0, 1, 2, 5]
    assert module.window == {}


def test_one_pass_is_taken_where_the_model_allows_it(source: ModelSource) -> None:
    module = grpo(source, flat)
    module.configure_model()
    assert module.one_pass
    checkpoint = source.backbone.checkpoint
    saving = Qwen2_5Omni(checkpoint, "float32", local_files_only=True, gradient_checkpointing=True)
    module = grpo(ModelSource(saving, TimePrompt(), LoRA(4, 8)), flat)
    module.configure_model()
    assert not module.one_pass
    with pytest.raises(ValueError, match="update=one_pass goes on from the rollout's own forward"):
        grpo(ModelSource(saving, TimePrompt(), LoRA(4, 8)), flat, update="one_pass").configure_model()
    with pytest.raises(ValueError, match="update must be one of auto, one_pass, packed, got 'fast'"):
        grpo(source, flat, update="fast")


def test_policy_and_reference_differ_by_nothing_but_their_weights(source: ModelSource) -> None:
    """Each would be under a dropout mask of its own, and the first step's KL divergence would not be zero."""
    module = grpo(ModelSource(source.backbone, TimePrompt(), LoRA(4, 8, dropout=0.5)), flat)
    module.configure_model()
    module.train()
    dropouts = [part.p for part in module.modules() if isinstance(part, torch.nn.Dropout)]
    assert dropouts and max(dropouts) == 0.0
    assert module.one_pass


def test_a_gpu_decodes_for_all_micro_batches_of_a_step(source: ModelSource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LALM, "steps_are_captured", True)
    module = grpo(source, flat)
    module.configure_model()
    for accumulation, one_pass in ((1, True), (2, False)):
        module._trainer = Trainer(accelerator="cpu", accumulate_grad_batches=accumulation, logger=False)
        assert module.one_pass is one_pass


def test_one_rollout_for_all_micro_batches_of_a_step_changes_nothing(source: ModelSource, tmp_path: Path) -> None:
    """Micro-batches of prompts of 0.6 s and of 0.2 s, and one whose recordings were all left out."""
    collate = Collate(source.frontend(), {"ag": Grounding()})
    short = [replace(s, waveform=s.waveform[:3200], example=replace(s.example, id=f"short {i}", duration_s=0.2))
             for i, s in enumerate(samples_of())]  # fmt: skip
    batches = [collate(part) for part in ([], samples_of()[:1], short[:2], samples_of()[1:], short[2:], [])]
    assert batches[1].prompt_ids.shape[1] > batches[2].prompt_ids.shape[1]
    trained, sizes = [], []
    for at_a_time in (1, 3):
        module = grpo(source, by_length, update="packed", aggregate=TokenMean(), updates_per_rollout=1)
        descend(module)
        sizes.append(of_module := [])
        roll_out = module.roll_out
        module.roll_out = lambda e, p, s=of_module, r=roll_out: s.append(len(e)) or r(e, p)  # type: ignore[method-assign]
        fit(module, WholeSteps(batches, at_a_time), tmp_path, accumulation=3)
        assert module.window == {}
        trained.append(trained_weights(module))
    assert sizes == [[1, 2, 2, 1], [3, 3]]
    assert any(weight.abs().max() > 1e-3 for name, weight in trained[0].items() if "lora_B" in name)
    for name, weight in trained[0].items():
        torch.testing.assert_close(trained[1][name], weight, atol=1e-6, rtol=1e-4)


def test_no_rollout_outlives_its_window_where_a_prompt_comes_twice_in_a_step(
    source: ModelSource, tmp_path: Path
) -> None:
    one, other = (batch_of(source, EXAMPLES[i : i + 1]) for i in (0, 1))
    for batches, rollouts in ((WholeSteps([one, other, one] * 2, 3), [0]), ([one, other, one] * 2, [0, 0, 0])):
        module = grpo(source, by_length, update="packed", updates_per_rollout=2)
        sampled = steps_of_rollouts(module)
        fit(module, batches, tmp_path, accumulation=3)
        assert sampled == rollouts
        assert module.window == {}


@pytest.mark.parametrize("stage", ["sft", "dapo", "dr_grpo"])
def test_micro_batches_change_no_gradient(source: ModelSource, tmp_path: Path, stage: str) -> None:
    """One recording, then two: answers and rows of uneven number and length."""
    labels = ("rain", "a dog barks far away", "a door")
    examples = tuple(replace(e, query=t, events=(Event(0.04, 0.4, t),)) for e, t in zip(EXAMPLES, labels, strict=True))
    samples, trained = samples_of(examples), []
    for parts in ([samples], [samples[:1], samples[1:]]):
        torch.manual_seed(0)
        if stage == "sft":
            collate = CollateInterviews(source.frontend(), {"ag": Grounding()})
            batches = [collate([(sample,) for sample in part]) for part in parts]
            module = SFT(source.load, {"ag": Grounding()}, {}, learning_rate=0.0)
        else:
            batches = [Collate(source.frontend(), {"ag": Grounding()})(part) for part in parts]
            module = grpo(source, by_length, aggregate=TokenMean() if stage == "dapo" else ConstantLength(6))
        descend(module)
        fit(module, batches, tmp_path, accumulation=len(parts))
        trained.append(trained_weights(module))
    assert any(weight.abs().max() > 1e-3 for name, weight in trained[0].items() if "lora_B" in name)
    for name, weight in trained[0].items():
        torch.testing.assert_close(trained[1][name], weight, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("precision", ["bf16-mixed", "32-true"])
def test_answers_are_given_in_the_trainers_precision(source: ModelSource, tmp_path: Path, precision: str) -> None:
    module = AnsweringModule(source.load, {"ag": Grounding()}, {})
    seen: list[bool] = []
    module.answer = lambda batch: seen.append(torch.is_autocast_enabled("cpu")) or []  # type: ignore[method-assign]
    trainer = Trainer(accelerator="cpu", precision=precision, logger=False, default_root_dir=tmp_path)
    trainer.test(module, torch.utils.data.DataLoader([batch_of(source)], None, collate_fn=lambda batch: batch))
    assert seen == [precision == "bf16-mixed"]


def test_sft_learns_one_batch_by_heart(source: ModelSource, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = SFT(source.load, {"ag": Grounding()}, {}, learning_rate=3e-2)
    batch = CollateInterviews(source.frontend(), {"ag": Grounding()})([(sample,) for sample in samples_of()])
    first = fit(SFT(source.load, {"ag": Grounding()}, {}, learning_rate=0.0), [batch], tmp_path)["train/loss"]
    last = fit(module, [batch] * 30, tmp_path)["train/loss"]
    assert last < first - 0.2


def test_processes_without_signal_keep_step_with_the_one_that_has_it(source: ModelSource, tmp_path: Path) -> None:
    script = Path(__file__).with_name("grpo_processes.py")
    trained = []
    for num_processes, *strategy in ((1,), (2,), (2, "deepspeed")):
        out = tmp_path / "trained.pt"
        command = [sys.executable, str(script), source.backbone.checkpoint, str(num_processes), str(out), *strategy]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        trained.append(torch.load(out))
    assert any(weight.abs().max() > 1e-4 for name, weight in trained[0].items() if "lora_B" in name)
    for name, weight in trained[0].items():
        for other in trained[1:]:
            torch.testing.assert_close(other[name], weight, atol=1e-7, rtol=1e-4)
