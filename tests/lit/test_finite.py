"""Numbers that are not finite: neither learnt from, nor stored."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from timepro_lit.lalm.tiny import write_random_checkpoint
from timepro_lit.lit.finite import NonFiniteSteps, non_finite, refuse_non_finite

SCRIPT = Path(__file__).with_name("nonfinite_processes.py")


def test_the_trained_weights_that_are_not_finite_are_named() -> None:
    module = nn.Sequential(nn.Linear(2, 1), nn.Linear(1, 1), nn.Linear(1, 1))
    module[2].requires_grad_(False)
    refuse_non_finite(module)
    with torch.no_grad():
        module[0].weight[0, 1] = math.nan
        module[1].bias[0] = -math.inf
        module[2].bias[0] = math.nan  # frozen, so it is in no file
    assert non_finite(module) == ["0.weight", "1.bias"]
    with pytest.raises(ValueError, match=r"2 trained weights hold .* not finite, 0\.weight first, and are not stored"):
        refuse_non_finite(module)


def test_ten_steps_in_a_row_end_the_stage_also_across_a_kill() -> None:
    steps = NonFiniteSteps("sft")
    for step in range(1, 10):
        steps.note(step, False)
    steps.note(10, True)
    for step in range(11, 17):
        steps.note(step, False)
    later = NonFiniteSteps("sft")
    later.resume(steps.state())
    for step in range(17, 20):
        later.note(step, False)
    fault = r"^sft: losses or gradients of steps 11 to 20 were not finite, .*: lower stage\.sft\.module\.learning_rate"
    with pytest.raises(ValueError, match=fault):
        later.note(20, False)
    assert later.total == 19


def test_steps_that_are_not_finite_do_nothing_on_any_process(tmp_path: Path) -> None:
    """Three of seven; weights, moments and their counts are as if the optimiser had not seen them."""
    write_random_checkpoint(
        tmp_path / "thinker", ["user\nassistant\n"], vocab_size=400, seed=0, num_mel_bins=16, encoder_size=32,
        encoder_layers=1, hidden_size=48, num_layers=2, num_heads=3, num_kv_heads=1, intermediate_size=64,
    )  # fmt: skip
    found = {}
    for num_processes, *strategy in ((1,), (2,), (2, "deepspeed")):
        folder = tmp_path / "-".join(map(str, (num_processes, *strategy)))
        folder.mkdir()
        command = [sys.executable, str(SCRIPT), str(tmp_path / "thinker"), str(num_processes), str(folder), *strategy]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr[-3000:]
        found |= {f"{folder.name}/{path.stem}": torch.load(path) for path in folder.glob("*.pt")}
    by_hand = found.pop("1/by_hand-0")["weights"]
    assert any(weight.abs().max() > 1e-2 for name, weight in by_hand.items() if "lora_B" in name)
    ranks = [f"{way}/as_it_is-{rank}" for way in ("2", "2-deepspeed") for rank in (0, 1)]
    assert sorted(found) == sorted(["1/as_it_is-0", *ranks])
    for place, one in found.items():
        assert one["counted"] == 3, place
        for name, weight in by_hand.items():
            torch.testing.assert_close(one["weights"][name], weight, atol=2e-6, rtol=0, msg=f"{place} {name}")
    for way in ("2", "2-deepspeed"):
        first, second = (found[f"{way}/as_it_is-{rank}"]["weights"] for rank in (0, 1))
        assert all(torch.equal(weight, second[name]) for name, weight in first.items())


@pytest.mark.slow
def test_a_learning_rate_that_destroys_the_weights_ends_the_run(tmp_path: Path) -> None:
    """In one sentence; nothing is published, and the state has only numbers."""
    settings = (
        "+experiment=ablation_astp", "task=[ag]", "rows=[]", "sizes.data.num_clips={train: 6, val: 2, test: 2}",
        "sizes.sft.learning_rate=1e30", "sizes.sft.max_steps=20", "sizes.sft.batch_size=2", "checkpoint_every=1",
        "sizes.sft.micro_batch_size=2", "sizes.sft.val_check_interval=20", "trainer.precision=32-true",
    )  # fmt: skip
    places = (f"paths.outputs={tmp_path}", f"paths.data={tmp_path / 'data'}", f"output_dir={tmp_path / 'run'}")
    command = [sys.executable, "-m", "timepro_lit.train", *settings, *places]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=300)
    assert done.returncode == 1
    [sentence] = done.stderr.splitlines()
    assert sentence.startswith("error: sft: losses or gradients of steps 2 to 11 were not finite")
    assert not list((tmp_path / "stages").rglob("result.json"))
    [state] = (tmp_path / "stages").rglob("step-*.ckpt")
    weights = torch.load(state, weights_only=True)["state_dict"]
    assert len(weights) > 0 and all(weight.isfinite().all() for weight in weights.values())
