"""Recordings of a minute, heard in windows: what hop and votes are worth, and what they cost.

python experiments/minutes/compare.py --run outputs/moments/moments/seed1 --row grpo --out outputs/minutes/grpo-seed1
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

import timepro_lit
from timepro_lit.data.audio import read_audio
from timepro_lit.data.corpora.soundscapes import Soundscapes
from timepro_lit.evaluation.publish import code_version
from timepro_lit.events.matching import match_by_iou
from timepro_lit.events.merging import merge_predictions
from timepro_lit.events.voting import Voting
from timepro_lit.events.windows import Cut, Window
from timepro_lit.files.atomic import write_atomically
from timepro_lit.inference.listener import Listener
from timepro_lit.metrics.suite import score
from timepro_lit.records import Event, Example, Prediction, Sample

TASK, MINUTE_S = "moments", 60.0
HOPS = (1.0, 0.5, 0.25)
"""As shares of a window."""
SHOWN = ("R1@0.5", "R1@0.7", "mAP", "F1@IoU", "presence_F1", "false_alarm_rate")
AT_SILENCES = "cut at silences"
QUARTERS = 4


def main() -> None:
    arguments = parsed()
    listener = timepro_lit.load(arguments.run, row=arguments.row, batch_size=arguments.batch_size)
    corpus = minutes(arguments.data, arguments.skip + arguments.clips)
    corpus.make_ready()
    asked = of_recordings(corpus)[arguments.skip :]
    found = {}
    for votes in (None, arguments.votes):
        for name, cuts in ways(asked, arguments.window_s).items():
            found[f"{name}, {'greedy' if votes is None else f'{votes} votes'}"] = figures(listener, corpus, cuts, votes)
    made = {"run": arguments.run.name, "row": arguments.row, "recordings": len(asked), "window_s": arguments.window_s}
    made |= {"device": listener.device, "code": code_version(), "ways": found}
    write_atomically(arguments.out / "results.json", json.dumps(made, indent=1) + "\n")
    print(table(found))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, required=True, help="run directory of +experiment=moments")
    parser.add_argument("--row", default="grpo", help="of its table")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of the generated data")
    parser.add_argument("--clips", type=int, default=100, help="recordings of the test split")
    parser.add_argument("--skip", type=int, default=0, help="so many of the test split before them")
    parser.add_argument("--votes", type=int, default=8)
    parser.add_argument("--window-s", type=float, default=4.2)
    parser.add_argument("--batch-size", type=int, default=25)
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


def minutes(folder: Path, clips: int) -> Soundscapes:
    """The test split of `data=moments_minute`."""
    conf = Path(__file__).parents[2] / "conf/data"
    settings: dict[str, Any] = {}
    for name in ("moments", "moments_minute"):
        settings |= OmegaConf.to_container(OmegaConf.load(conf / f"{name}.yaml").data.corpus)  # type: ignore[operator]
    return Soundscapes(str(folder), {"test": clips}, **settings)


def of_recordings(corpus: Soundscapes) -> list[tuple[Example, tuple[Event, ...]]]:
    """Of each recording the question, and all of its sounds."""
    planned = corpus.planned("test")
    sounds = {example.audio: example.events for example in planned if example.task == "sed"}
    return [(example, sounds[example.audio]) for example in planned if example.task == TASK]


def ways(
    asked: Sequence[tuple[Example, tuple[Event, ...]]], window_s: float
) -> dict[str, list[tuple[Example, list[Window]]]]:
    """By name, how each recording is cut."""
    found = {}
    for hop in HOPS:
        cut = Cut(window_s, hop * window_s)
        found[f"hop {hop:.0%}"] = [(example, cut.windows(example.duration_s)) for example, _ in asked]
    found[AT_SILENCES] = [(example, at_silences(events, example.duration_s, window_s)) for example, events in asked]
    return found


def at_silences(events: Sequence[Event], duration_s: float, window_s: float) -> list[Window]:
    """Windows that follow each other and cut no event, each as long as may be; in the middle of the last silence.

    Where nothing is silent for longer than a window, the window ends where it is full.

    >>> at_silences([Event(1.0, 2.0, ""), Event(3.0, 5.0, "")], 6.0, 4.0)
    [(0.0, 2.5), (2.5, 3.5)]
    """
    found, start_s = [], 0.0
    while duration_s - start_s > window_s:
        full_s = end_s = start_s + window_s
        for onset in (full_s, *sorted((e.onset for e in events if start_s < e.onset <= full_s), reverse=True)):
            before_s = max([start_s, *(e.offset for e in events if e.onset < onset)])
            if before_s < onset:
                is_silent = before_s == start_s and onset == full_s
                end_s = full_s if is_silent else round((before_s + onset) / 2, 2)
                break
        found.append((start_s, round(end_s - start_s, 2)))
        start_s = round(end_s, 2)
    return [*found, (start_s, round(duration_s - start_s, 2))]


def figures(
    listener: Listener, corpus: Soundscapes, cuts: Sequence[tuple[Example, list[Window]]], votes: int | None
) -> dict[str, Any]:
    """Metrics in percent, seconds of compute to a minute of audio, and how far onsets are off along the recording."""
    start = time.perf_counter()
    voting = None if votes is None else Voting(votes)
    answers = listener.answers(pieces(listener, corpus, cuts), voting=voting)
    heard = []
    for example, windows in cuts:
        said: list[Prediction] = [next(answers).prediction for _ in windows]
        heard.append((merge_predictions(windows, said, by_label=False), example))
    seconds = time.perf_counter() - start
    scores = score(listener.tasks[TASK].metrics(), heard)
    return {
        **{name: scores.values[name] for name in SHOWN},
        "seconds_a_minute": seconds / sum(example.duration_s for example, _ in cuts) * MINUTE_S,
        "windows": sum(len(windows) for _, windows in cuts),
        "onset_error_s": drift(heard),
    }


def pieces(listener: Listener, corpus: Soundscapes, cuts: Sequence[tuple[Example, list[Window]]]) -> Iterator[Sample]:
    rate = listener.lalm.frontend.sampling_rate
    for example, windows in cuts:
        waveform = read_audio(corpus.root / example.audio, rate, example.duration_s + 1)
        for start_s, length_s in windows:
            part = waveform[round(start_s * rate) : round((start_s + length_s) * rate)]
            about = replace(example, id=f"{example.id}@{start_s:g}", duration_s=len(part) / rate, events=())
            yield Sample(about, part)


def drift(heard: Sequence[tuple[Prediction, Example]]) -> list[float | None]:
    """Median distance in seconds of the onsets of events that match, for each quarter of the recordings."""
    off: list[list[float]] = [[] for _ in range(QUARTERS)]
    for prediction, example in heard:
        for r, e in match_by_iou(example.events, prediction.events):
            reference = example.events[r]
            quarter = min(int(reference.onset / example.duration_s * QUARTERS), QUARTERS - 1)
            off[quarter].append(abs(prediction.events[e].onset - reference.onset))
    return [statistics.median(of) if of else None for of in off]


def table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """In Markdown."""
    text = f"| | {' | '.join(SHOWN)} | onset off, by quarter | s a minute |\n|---|{'---|' * (len(SHOWN) + 2)}\n"
    for name, of in found.items():
        off = ", ".join("-" if one is None else f"{one:.2f}" for one in of["onset_error_s"])
        cells = [f"{of[metric]:.1f}" if math.isfinite(of[metric]) else "-" for metric in SHOWN]
        text += f"| {name} | {' | '.join(cells)} | {off} | {of['seconds_a_minute']:.2f} |\n"
    return text


if __name__ == "__main__":
    main()
