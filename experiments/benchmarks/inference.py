"""Questions about clips, answers a second: one hearing for all of them, separate prompts, and the library's `generate`.

python experiments/benchmarks/inference.py --run outputs/demo
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from model import write_checkpoint
from torch import Tensor
from transformers import DynamicCache

import timepro_lit
from timepro_lit.data.collate import Collate
from timepro_lit.data.hearing import CollateHearing
from timepro_lit.files.atomic import write_atomically
from timepro_lit.grpo.prefix import prefill
from timepro_lit.grpo.rollout import sample
from timepro_lit.inference.answering import answer_batch
from timepro_lit.lalm.base import LALM
from timepro_lit.lalm.qwen2_5_omni import Qwen2_5Omni
from timepro_lit.lit.samples import make_ready, samples_of
from timepro_lit.records import Example, Sample
from timepro_lit.settings.config import build_data
from timepro_lit.settings.stored import read_settings
from timepro_lit.tasks.grounding import Grounding
from timepro_lit.time_prompt.prompt import TimePrompt

CLIP_S, HOUR_S, ANSWER_TOKENS = 10.0, 3600.0, 24
QUERIES = [Example(str(n), "ag", "", CLIP_S, (), f"a dog barks {n} times") for n in range(50)]
Form = Callable[[LALM, Mapping[str, Any], Sequence[Sample], int], list[str]]
"""(model, tasks, questions, tokens of an answer at most) -> the texts of the answers."""


def shared(lalm: LALM, tasks: Mapping[str, Any], questions: Sequence[Sample], num_tokens: int) -> list[str]:
    """Ours: one hearing of each clip."""
    hearing = CollateHearing(lalm.frontend, tasks)(questions)
    return [answer.text for answer in answer_batch(lalm, tasks, hearing, num_tokens)]


def together(lalm: LALM, tasks: Mapping[str, Any], questions: Sequence[Sample], num_tokens: int) -> list[str]:
    """Ours, one batch of whole prompts: what questions about as many clips cost."""
    batch = Collate(lalm.frontend, tasks)(questions)
    embeds = lalm.embed(batch.prompt_ids, lalm.encode_audio(batch.features, batch.feature_mask))
    prefix = prefill(lalm, embeds, batch.prompt_mask, lalm.positions(batch.prompt_ids, batch.prompt_mask))
    said = sample(lalm, prefix, group_size=1, max_new_tokens=num_tokens, warp=None)
    return [lalm.frontend.text(ids) for ids in said.answer_ids[:, 0].tolist()]


def separate(lalm: LALM, tasks: Mapping[str, Any], questions: Sequence[Sample], num_tokens: int) -> list[str]:
    """Ours, one question after the other."""
    return [text for one in questions for text in together(lalm, tasks, [one], num_tokens)]


def generate(lalm: LALM, tasks: Mapping[str, Any], questions: Sequence[Sample], num_tokens: int) -> list[str]:
    """The library's, one batch of whole prompts."""
    batch = Collate(lalm.frontend, tasks, multiple=1)(questions)
    ids = lalm.outer.generate(
        input_ids=batch.prompt_ids, attention_mask=batch.prompt_mask.long(), **_heard(batch),
        max_new_tokens=num_tokens, do_sample=False, eos_token_id=list(lalm.end_ids), pad_token_id=lalm.pad_id,
    )  # fmt: skip
    return [lalm.frontend.text(row) for row in ids[:, batch.prompt_ids.shape[1] :].tolist()]


def prompt_cache(lalm: LALM, tasks: Mapping[str, Any], questions: Sequence[Sample], num_tokens: int) -> list[str]:
    """The library's, one question after the other, each behind a copy of a cache of what all share."""
    hearing, texts = CollateHearing(lalm.frontend, tasks, multiple=1)(questions), []
    cache = DynamicCache()
    mask = torch.ones_like(hearing.shared_ids)
    lalm.outer(
        input_ids=hearing.shared_ids, attention_mask=mask, **_heard(hearing), past_key_values=cache, use_cache=True
    )
    for own, is_own in zip(hearing.own_ids, hearing.own_mask, strict=True):
        ids = torch.cat([hearing.shared_ids[0], own[is_own]])[None]
        said = lalm.outer.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), past_key_values=copy.deepcopy(cache),
            max_new_tokens=num_tokens, do_sample=False, eos_token_id=list(lalm.end_ids), pad_token_id=lalm.pad_id,
        )  # fmt: skip
        texts.append(lalm.frontend.text(said[0, ids.shape[1] :].tolist()))
    return texts


def _heard(batch: Any) -> dict[str, Any]:
    return {"input_features": batch.features, "feature_attention_mask": batch.feature_mask.long()}


def compared(
    forms: Mapping[str, tuple[Form, LALM]],
    tasks: Mapping[str, Any],
    parts: Sequence[Sequence[Sample]],
    num_tokens: int,
    repeats: int,
) -> dict[str, Any]:
    """Median seconds of each form, in turns, and how many times as fast the first is as the others.

    A first turn, with the first part alone, warms up.

    Forms with the same model have to give the same answers.
    """
    seconds: dict[str, list[float]] = {name: [] for name in forms}
    texts: dict[int, list[str]] = {}
    for turn in range(repeats + 1):
        for name, (form, lalm) in forms.items():
            if not turn:
                form(lalm, tasks, parts[0], num_tokens)
                continue
            start = time.perf_counter()
            found = [text for part in parts for text in form(lalm, tasks, part, num_tokens)]
            seconds[name].append(time.perf_counter() - start)
            differ = sum(a != b for a, b in zip(texts.setdefault(id(lalm), found), found, strict=True))
            if differ > 0.02 * len(found):
                raise SystemExit(f"{name}: {differ} of {len(found)} answers are others")
    medians = {name: statistics.median(of_form) for name, of_form in seconds.items()}
    first = medians[next(iter(forms))]
    return {
        "answers": sum(map(len, parts)),
        "seconds": {name: round(median, 4) for name, median in medians.items()},
        "times_as_fast": {name: round(median / first, 2) for name, median in medians.items()},
    }


def about_one_clip(folder: Path, num_questions: int, repeats: int) -> dict[str, dict[str, Any]]:
    """Grounding queries about one clip, all answers of `ANSWER_TOKENS` tokens, with and without a time prompt."""
    waveform = noise(CLIP_S)
    questions = [Sample(example, waveform) for example in QUERIES[:num_questions]]
    tasks = {"ag": Grounding()}
    plain, timed = (_endless(Qwen2_5Omni(str(folder), "float32", "sdpa").load(how)) for how in (None, TimePrompt()))
    ours: dict[str, Form] = {"shared": shared, "separate": separate, "together": together}
    theirs: dict[str, Form] = {"shared": shared, "generate": generate, "prompt cache": prompt_cache}
    return {
        "time prompt": compared({k: (f, timed) for k, f in ours.items()}, tasks, [questions], ANSWER_TOKENS, repeats),
        "library": compared({k: (f, plain) for k, f in theirs.items()}, tasks, [questions], ANSWER_TOKENS, repeats),
    }


def about_an_hour(folder: Path, num_questions: int, batch_size: int, repeats: int) -> dict[str, Any]:
    """Grounding queries about each window of an hour, one window behind the other, without a time prompt."""
    lalm = _endless(Qwen2_5Omni(str(folder), "float32", "sdpa").load(None))
    windows = noise(HOUR_S).split(round(16_000 * CLIP_S))
    size = batch_size // num_questions
    parts = [
        [
            Sample(replace(query, id=f"{start + n}-{query.id}"), window)
            for n, window in enumerate(windows[start : start + size])
            for query in QUERIES[:num_questions]
        ]
        for start in range(0, len(windows), size)
    ]
    forms: dict[str, Form] = {"shared": shared, "generate": generate}
    return compared({k: (f, lalm) for k, f in forms.items()}, {"ag": Grounding()}, parts, ANSWER_TOKENS, repeats)


def noise(duration_s: float) -> Tensor:
    """(n,) float32 at 16 kHz."""
    return torch.from_numpy(0.1 * np.random.default_rng(0).standard_normal(round(16_000 * duration_s))).float()


def _endless(lalm: LALM) -> LALM:
    lalm.end_ids = (10**6,)  # random weights end nowhere in particular
    return lalm.eval()


def on_a_test_split(
    run: Path, data_folder: Path | None, num_clips: int, batch_size: int, repeats: int
) -> dict[str, Any]:
    """All tasks about the clips of a run's test split: its last stage ours alone, its base beside the library."""
    given = {} if data_folder is None else {"data": str(data_folder.absolute())}
    data = build_data(read_settings(run, given))
    make_ready(data, None)
    last, base = (timepro_lit.load(run, row=row, device="cpu") for row in (None, "zero_shot"))
    by_audio: dict[str, list[Sample]] = {}
    for task in last.tasks:
        for one in samples_of(data, "test", task, None, num_clips):
            by_audio.setdefault(one.example.audio, []).append(one)
    per_clip = len(last.tasks)
    size = batch_size // per_clip * per_clip
    asked = [one for of_clip in by_audio.values() for one in of_clip]
    parts = [asked[start : start + size] for start in range(0, len(asked), size)]
    trained, plain = last.lalm.float(), base.lalm.float()
    forms: dict[str, dict[str, tuple[Form, LALM]]] = {
        "last stage": {"shared": (shared, trained), "together": (together, trained)},
        "base": {"shared": (shared, plain), "generate": (generate, plain)},
    }
    return {name: compared(of_row, last.tasks, parts, 256, repeats) for name, of_row in forms.items()}


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, help="a run whose test split is asked as well, `make demo` say")
    parser.add_argument("--data", type=Path, help="folder of the generated data, where it is another one now")
    parser.add_argument("--questions", type=int, nargs="*", default=(1, 5, 50), help="about one clip")
    parser.add_argument("--hour", type=int, nargs="*", default=(1,), help="questions about each window of an hour")
    parser.add_argument("--clips", type=int, default=60, help="of the test split")
    parser.add_argument("--batch-size", type=int, default=64, help="questions to a batch of an hour, of the test split")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(__file__).with_name("inference.json"),
        help="other cases in it stay",
    )
    given = parser.parse_args()
    found: dict[str, Any] = json.loads(given.out.read_text()) if given.out.exists() else {}
    found["threads"] = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:
        # Words are tokens, as they are to a tokenizer that has read some text.
        write_checkpoint(Path(folder), texts=[Grounding().prompt(example) for example in QUERIES])
        for num_questions in given.questions:
            case = about_one_clip(Path(folder), num_questions, given.repeats)
            found[f"{num_questions} questions"] = case
            print(json.dumps({f"{num_questions} questions": case}), flush=True)
        for num_questions in given.hour:  # hundreds of batches are their own repeats
            case = about_an_hour(Path(folder), num_questions, given.batch_size, 1)
            found[f"an hour, {num_questions} questions a window"] = case
            print(json.dumps({f"an hour, {num_questions} questions a window": case}), flush=True)
    if given.run is not None:
        found["test split"] = on_a_test_split(given.run, given.data, given.clips, given.batch_size, given.repeats)
        print(json.dumps({"test split": found["test split"]}), flush=True)
    write_atomically(given.out, json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
