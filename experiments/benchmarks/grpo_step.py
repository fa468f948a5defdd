"""One GRPO step, phase by phase, beside what other trainers do with the same model, prompt, G and answer length.

python experiments/benchmarks/grpo_step.py [--prompts 1500] [--groups 4 8 16] [--dtype float32]
python experiments/benchmarks/grpo_step.py --shape 7b --device cuda --num-prompts 16 --micro-batch 4 --dtype bfloat16

Forms (median seconds of each phase, peak memory above the loaded model), on a CPU each in a process of its own:
    one_pass   ours: the update goes on from the rollout's forward of the prompt
    packed     ours: prompt and answers again, in one row
    naive      `generate` with the prompt G times, then G whole rows with logits of every position
    naive_answer_logits   the same, with logits of the answers alone
    sft        forward and backward of a fine-tuning step on the same clips, with one answer each
    greedy     evaluation: one greedy answer to each clip
    trl        TRL's GRPOTrainer on a text model of the same shape; `--trl` installs it into build/trl
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import traceback
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path
from typing import Any

from grpo_forms import FORMS, Case, load, measure
from model import SHAPES, write_checkpoint
from rich.console import Console
from rich.table import Table

from timepro_lit.lalm.base import LALM

TRL_FOLDER = Path(__file__).resolve().parents[2] / "build" / "trl"
WARM_UP, REPEATS = 1, 5
PHASES = ("encode", "prefill", "decode", "reward", "update")


def trl(case: Case) -> dict[str, Any]:
    """The same step by TRL, installed where nothing else sees it."""
    if not TRL_FOLDER.exists():
        packages = ["trl==1.16.0", "accelerate", "datasets", "dill", "multiprocess", "xxhash", "pandas"]
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(TRL_FOLDER)]
        subprocess.run([*install, *packages], check=True)
    names = ("prompt", "group_size", "dtype", "kl", "vocabulary")
    command = [sys.executable, str(Path(__file__).with_name("trl_step.py"))]
    command += [part for name in names for part in (f"--{name}", str(getattr(case, name)))]
    return asdict(replace(case, form="trl")) | _asked(command, {"PYTHONPATH": str(TRL_FOLDER)})


def ours(folder: str, case: Case, repeats: int) -> dict[str, Any]:
    """A case in a process of its own, so that its peak memory is its own too."""
    one = {"folder": folder, "case": asdict(case), "repeats": repeats}
    return _asked([sys.executable, __file__, "--one", json.dumps(one)], {})


class OnGPU:
    """Cases one after the other on a model that is made once: torch can forget the peak of the case before."""

    def __init__(self, folder: str, repeats: int, with_kernels: bool) -> None:
        self.folder = folder
        self.repeats = repeats
        self.with_kernels = with_kernels
        self.lalm: LALM | None = None

    def __call__(self, case: Case) -> dict[str, Any] | None:
        """None where the case failed, for want of memory say; why is printed."""
        try:
            self.lalm = self.lalm or load(self.folder, case)
            return measure(self.lalm, case, WARM_UP, self.repeats, self.with_kernels)
        except RuntimeError:
            traceback.print_exc()
            return None


def _asked(command: list[str], environment: dict[str, str]) -> dict[str, Any]:
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | environment)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def table(cases: list[dict[str, Any]], peak_tflops: float | None) -> Table:
    """Seconds, and the ratio of each step, update and peak to the naive form's."""
    shown = Table(title="GRPO step; in brackets the share of the naive form's")
    columns = ("prompt", "G", "KL", "form", *PHASES, "step", "peak MB")
    counted = ("prefill", "decode", "update") if peak_tflops else ()
    for column in (*columns, *(f"{name} MFU" for name in counted)):
        shown.add_column(column, justify="left" if column == "form" else "right")
    for case in cases:
        key = ("prompt", "group_size", "kl", "dtype", "vocabulary")
        naive = next((c for c in cases if c["form"] == "naive" and all(c[k] == case[k] for k in key)), None)
        phases = [case["phases_s"].get(name) for name in PHASES]
        wholes = (None,) * 3 if naive is None else (naive["phases_s"]["update"], naive["step_s"], naive["peak_mb"])
        parts = (phases[-1], case["step_s"], case["peak_mb"])
        cells = [str(case["prompt"]), str(case["group_size"]), f"{case['kl']:g}", case["form"]]
        cells += ["" if s is None else f"{s:.2f}" for s in phases[:-1]]
        decimals = (2, 2, 0)
        cells += [_ratio(*three) for three in zip(parts, wholes, decimals, strict=True)]
        reached = case.get("tflops", {})
        cells += [f"{reached[name] / peak_tflops:.0%}" if name in reached else "" for name in counted]
        shown.add_row(*cells)
    return shown


def _ratio(part: float | None, whole: float | None, decimals: int) -> str:
    if part is None:
        return ""
    return f"{part:,.{decimals}f}" + ("" if whole is None else f" ({part / whole:.2f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prompts", type=int, nargs="+", default=[250, 1500], help="tokens")
    parser.add_argument("--groups", type=int, nargs="+", default=[4, 8, 16])
    parser.add_argument("--kl", type=float, nargs="+", default=[0.0, 0.04])
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--vocabulary", type=int, default=8000)
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=FORMS[:5])
    parser.add_argument("--shape", choices=SHAPES, default="28m")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--num-prompts", type=int, default=1)
    parser.add_argument("--micro-batch", type=int, default=1, help="prompts to an update at a time")
    parser.add_argument("--no-capture", action="store_true", help="decode without a CUDA graph")
    parser.add_argument("--repeats", type=int, default=REPEATS, help="measured steps, after one that is not")
    parser.add_argument("--kernels", action="store_true", help="on a GPU: seconds by kind of kernel as well")
    parser.add_argument("--peak-tflops", type=float, help="of the device, to print the share that is used")
    parser.add_argument("--trl", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        one = json.loads(arguments.one)
        case = Case(**one["case"])
        print(json.dumps(measure(load(one["folder"], case), case, WARM_UP, one["repeats"])))
        return
    cases = []
    with tempfile.TemporaryDirectory() as folder:
        on_gpu = arguments.device == "cuda"
        write_checkpoint(Path(folder), arguments.vocabulary, shape=SHAPES[arguments.shape], weights=not on_gpu)
        measured = OnGPU(folder, arguments.repeats, arguments.kernels) if on_gpu else None
        for prompt, kl, group_size in product(arguments.prompts, arguments.kl, arguments.groups):
            case = Case(
                "", prompt, group_size, arguments.dtype, kl, arguments.vocabulary, arguments.num_prompts,
                arguments.micro_batch, device=arguments.device, capture=not arguments.no_capture,
            )  # fmt: skip
            for form in arguments.forms:
                one = replace(case, form=form, group_size=1 if form == "greedy" else group_size)
                found = measured(one) if measured else ours(folder, one, arguments.repeats)
                if found is not None:
                    cases.append(found)
                    print(json.dumps(found), flush=True)
            if arguments.trl:
                cases.append(trl(replace(case, prompt=cases[-1]["prompt"])))
                print(json.dumps(cases[-1]), flush=True)
    Console(width=150).print(table(cases, arguments.peak_tflops))


if __name__ == "__main__":
    main()
