from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from lightning import Trainer
from torch import Tensor

from timepro_lit.data.collate import CollateInterviews
from timepro_lit.lalm.checkpoint import ModelSource
from timepro_lit.lalm.qwen2_5_omni import Qwen2_5Omni
from timepro_lit.lalm.tiny import write_random_checkpoint
from timepro_lit.lit import pretrain
from timepro_lit.lit.pretrain import Pretrain, frame_activity, question_means
from timepro_lit.lit.training import cosine
from timepro_lit.records import Event, Example, Interviews, Sample
from timepro_lit.tasks.pretraining import Counting, Tagging


def test_frames_in_which_each_class_is_on() -> None:
    events = (Event(0.04, 0.12, "dog"), Event(0.0, 0.08, "bell"))
    example = Example("x", "tag", "x.flac", 0.2, events)
    active = frame_activity(example, ["bell", "dog"], num_frames=5, frames_per_second=25)
    on, starts, ends = active.unflatten(1, (3, 2)).unbind(1)
    assert on.tolist() == [[1, 0], [1, 1], [0, 1], [0, 0], [0, 0]]
    assert starts.tolist() == [[1, 0], [1, 1], [0, 1], [0, 0], [0, 0]]
    assert ends.tolist() == [[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]


def test_every_question_counts_the_same_however_long_its_answer() -> None:
    example = Example("x", "tag", "x.flac", 0.2, ())
    nothing = torch.zeros(0)
    branch = torch.tensor([[0, 1, 1, 2, 2], [0, 1, 1, -1, -1]])
    is_answer = torch.tensor([[0, 1, 1, 0, 1], [0, 0, 1, 0, 0]]).bool()
    batch = Interviews(((example, example), (example,)), nothing, nothing, nothing, branch, nothing, is_answer)
    assert question_means(torch.tensor([1.0, 3.0, 5.0, 7.0]), batch).tolist() == [2.0, 5.0, 7.0]


def test_the_learning_rate_warms_up_and_ends_at_zero() -> None:
    assert [round(cosine(step, 2, 6), 3) for step in range(7)] == [0.5, 1.0, 1.0, 0.854, 0.5, 0.146, 0.0]


EVENTS = (Event(0.04, 0.4, "dog"),)
TASKS = {"tag": Tagging(), "count": Counting()}
EXAMPLES = [Example(name, name, "a.flac", 0.6, EVENTS) for name in TASKS]


@pytest.fixture
def source(tmp_path: Path) -> ModelSource:
    texts = [text for e in EXAMPLES for text in (TASKS[e.task].prompt(e), TASKS[e.task].target(e))]
    write_random_checkpoint(
        tmp_path / "thinker", texts, vocab_size=400, seed=0, num_mel_bins=16, encoder_size=32, encoder_layers=1,
        hidden_size=48, num_layers=1, num_heads=3, num_kv_heads=1, intermediate_size=64,
    )  # fmt: skip
    return ModelSource(Qwen2_5Omni(str(tmp_path / "thinker"), "float32", local_files_only=True), None, None)


def test_the_language_model_waits_while_the_encoder_learns_to_listen(source: ModelSource, tmp_path: Path) -> None:
    waveform = 0.1 * torch.randn(9600, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
    batch = CollateInterviews(source.frontend(), TASKS)([[Sample(e, waveform) for e in EXAMPLES]])

    def moved(num_steps: int) -> tuple[set[str], set[int]]:
        """Parts of the model that so many steps, two of them listening, have changed; steps that AdamW counts."""
        torch.manual_seed(0)
        module = Pretrain(source.load, TASKS, {}, ["bell", "dog"], learning_rate=1e-3, listening_steps=2)
        module.configure_model()
        before = {name: weight.clone() for name, weight in module.lalm.named_parameters()}
        trainer = Trainer(
            accelerator="cpu", max_steps=num_steps, logger=False, enable_checkpointing=False,
            default_root_dir=tmp_path, enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip
        trainer.fit(module, torch.utils.data.DataLoader([batch] * num_steps, batch_size=None, collate_fn=lambda b: b))
        changed = [name for name, w in module.lalm.named_parameters() if not torch.equal(w, before[name])]
        counted = trainer.optimizers[0].state
        layers = [w for name, w in module.lalm.named_parameters() if "language_model.layers" in name]
        parts = {p for p in ("audio_tower", "language_model", "lm_head") if any(p in name for name in changed)}
        return parts, {int(counted[w]["step"]) if w in counted else 0 for w in layers}

    assert moved(2) == ({"audio_tower"}, {0})
    assert moved(4) == ({"audio_tower", "language_model", "lm_head"}, {2})


def test_a_clip_counts_the_same_whatever_shares_its_micro_batch(source: ModelSource) -> None:
    torch.manual_seed(0)
    module = Pretrain(source.load, TASKS, {}, ["bell", "dog"], learning_rate=1e-3)
    module.configure_model()
    collate = CollateInterviews(source.frontend(), TASKS)
    clips = [
        [Sample(replace(e, duration_s=seconds), 0.1 * torch.rand(round(16_000 * seconds))) for e in EXAMPLES]
        for seconds in (0.6, 6.0)
    ]

    def loss(batch: Interviews) -> Tensor:
        return module.activity_loss(batch, module.lalm.encode_audio(batch.features, batch.feature_mask))

    alone = [loss(collate([clip])) for clip in clips]
    assert abs(alone[0] - alone[1]) > 1e-3
    torch.testing.assert_close(loss(collate(clips)), (alone[0] + alone[1]) / 2)


def test_two_processes_listen_and_answer_as_one_does(source: ModelSource, tmp_path: Path) -> None:
    script, out, trained = Path(__file__).with_name("pretrain_processes.py"), tmp_path / "trained.pt", []
    for num_processes in ("1", "2"):
        command = [sys.executable, str(script), source.backbone.checkpoint, num_processes, str(out)]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        trained.append(torch.load(out))
    for name, weight in trained[0].items():
        torch.testing.assert_close(trained[1][name], weight, atol=1e-5, rtol=1e-4)


def test_a_base_is_not_trained_under_deepspeed(source: ModelSource, monkeypatch: pytest.MonkeyPatch) -> None:
    """A micro-batch without rows has gradients of the language model alone, and others would wait for the rest."""
    module = Pretrain(source.load, TASKS, {}, ["dog"], learning_rate=1e-3)
    module.trainer = Trainer(accelerator="cpu", logger=False)
    monkeypatch.setattr(pretrain, "mixes_by_arrival", lambda trainer: True)
    with pytest.raises(ValueError, match=r"trainer\.strategy: a base is trained under DDP"):
        module.setup("fit")
