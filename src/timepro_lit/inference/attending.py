"""What an answer attends to: the weight of each timestamp when a token is generated (the paper's Figure 2).

A weight is what the query that generates a token gives to the key of a timestamp, after the softmax over all that the
query sees. The row is the whole question with its greedy answer; only the answer's queries are looked at.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table
from rich.text import Text
from torch import Tensor

from timepro_lit.data.audio import AudioError
from timepro_lit.data.collate import Collate
from timepro_lit.figures.attention import attention_figure, shares_figure
from timepro_lit.files.atomic import replacing, write_atomically
from timepro_lit.files.fragments import without_fragment
from timepro_lit.files.visible_text import visible
from timepro_lit.grpo.layout import branch_mask_from
from timepro_lit.grpo.prefix import prefill
from timepro_lit.grpo.rollout import sample as sample_answers
from timepro_lit.inference.answering import MAX_ANSWER_TOKENS
from timepro_lit.inference.listener import Listener, events_of
from timepro_lit.inference.prediction import cells
from timepro_lit.lalm.attention import Watch
from timepro_lit.records import Answer, Event, Sample
from timepro_lit.tasks.base import ScoredTask

ATTENTION, SHARES = "attention.json", "shares.png"
NEAR_S = 0.2
"""How close to a boundary a timestamp counts as near it."""


@dataclass(frozen=True, slots=True)
class Attention:
    """What one answer attended to."""

    answer: Answer
    tokens: tuple[str, ...]
    """R texts, the end of turn among them where it was generated."""
    layers: tuple[int, ...]
    """From 0."""
    seconds: Tensor
    """(K,) float64, the moment of each timestamp; K = 0 for a clip that ends before the first."""
    weights: Tensor
    """(layers, H, R, K) float32."""

    def by_token(self, layer: int, heads: Sequence[int] = ()) -> Tensor:
        """(R, K) the mean over heads: all, where none is named."""
        of_layer = self.weights[self.layers.index(layer)]
        return (of_layer[list(heads)] if heads else of_layer).mean(dim=0)


@torch.no_grad()
def attention_of(listener: Listener, sample: Sample, task: ScoredTask, layers: Sequence[int]) -> Attention:
    """Ask, and look at what the answer attends to in some layers, from 0 or, negative, from the end.

    Raises ValueError for a model without timestamp embeddings, and for a layer that it does not have.
    """
    lalm = listener.lalm
    if lalm.frontend.grid is None or lalm.timestamps is None:
        raise ValueError("the model has no timestamp embeddings to attend to")
    numbers = layer_numbers(layers, num_layers(listener))
    batch = Collate(lalm.frontend, {task.name: task}, multiple=1)([sample]).to(listener.device)
    with listener.precision():
        frames = lalm.encode_audio(batch.features, batch.feature_mask)
        embeds, positions = lalm.embed(batch.prompt_ids, frames), lalm.positions(batch.prompt_ids, batch.prompt_mask)
        prefix = prefill(lalm, embeds, batch.prompt_mask, positions)
        rollouts = sample_answers(lalm, prefix, group_size=1, max_new_tokens=MAX_ANSWER_TOKENS, warp=None)
        answer_ids = rollouts.answer_ids[0, 0][rollouts.answer_mask[0, 0]]
        ids = torch.cat([batch.prompt_ids, answer_ids[None, :-1]], dim=1)
        keys = (ids[0] >= lalm.first_timestamp_id).nonzero().squeeze(1)
        watch, mask = Watch(numbers, len(answer_ids), keys), torch.ones_like(ids, dtype=torch.bool)
        lalm.decode(lalm.embed(ids, frames), lalm.positions(ids, mask), branch_mask_from(mask.long() - 1), watch=watch)
    seconds = [lalm.frontend.grid.seconds(number) for number in (ids[0, keys] - lalm.first_timestamp_id + 1).tolist()]
    text = lalm.frontend.text(answer_ids.tolist())
    answer = Answer(sample.example, task.prompt(sample.example), text, task.parse(text), bool(rollouts.truncated))
    tokens = tuple(lalm.frontend.tokenizer.decode([token]) for token in answer_ids.tolist())
    weights = torch.stack([watch.weights[layer][0] for layer in numbers]).cpu()
    return Attention(answer, tokens, numbers, torch.tensor(seconds, dtype=torch.float64), weights)


def clip_of(listener: Listener, audio: str) -> Tensor:
    """A file, or a stretch of one. Raises AudioError that says how to name a stretch where it is too long."""
    try:
        return listener.waveform(audio)
    except AudioError as error:
        if error.kind != "too_long":
            raise
        heard_s = listener.lalm.frontend.max_duration_s
        path, _ = without_fragment(audio)
        example = f"'audio=\"{path}#t=0,{heard_s:g}\"'"
        lasts = str(error).partition("; cut it")[0]
        raise AudioError(
            f"{lasts}: attention is that of one clip; name a stretch of it, {example}", error.kind
        ) from None


def num_layers(listener: Listener) -> int:
    """Of the decoder."""
    found: int = listener.lalm.language_model.config.num_hidden_layers
    return found


def layer_numbers(layers: Sequence[int], available: int) -> tuple[int, ...]:
    """Layers from 0, of numbers that may count from the end. Raises ValueError for one that is not there.

    >>> layer_numbers([0, -1], 4)
    (0, 3)
    """
    for layer in layers:
        if not -available <= layer < available:
            raise ValueError(f"layers: the model has layers 0 to {available - 1}, not {layer}")
    return tuple(layer % available for layer in layers)


def near(seconds: Tensor, events: Sequence[Event], within_s: float = NEAR_S) -> Tensor:
    """(K,) bool: which moments lie within so many seconds of an onset or offset.

    >>> near(torch.tensor([0.0, 1.0, 1.2, 3.0]).double(), [Event(1.0, 2.9, "dog")]).tolist()
    [False, True, True, True]
    """
    boundaries = torch.tensor([time for event in events for time in (event.onset, event.offset)], dtype=torch.float64)
    return ((seconds[:, None] - boundaries).abs() <= within_s + 1e-6).any(dim=1)


def share_near(weights: Tensor, is_near: Tensor) -> Tensor:
    """(..., K) weights -> (...) the part of each sum that lies on the moments near a boundary."""
    return weights[..., is_near].sum(dim=-1) / weights.sum(dim=-1)


def draw_attention(
    listener: Listener, sample: Sample, task: ScoredTask, layers: Sequence[int], heads: Sequence[int], folder: Path
) -> str:
    """One picture for each layer, and attention.json with all its numbers; returns where they are."""
    attention, example = attention_of(listener, sample, task, layers), sample.example
    check_heads(heads, attention.weights.shape[1])
    if not len(attention.seconds):
        raise ValueError(
            f"{example.audio or 'the recording'}: {example.duration_s:.2f} s end before the model's first timestamp"
        )
    boundaries = {"reference": example.events} if example.events else {}
    predicted = events_of(attention.answer)
    boundaries |= {"predicted": predicted}
    name, asked = example.id or example.audio, f": {example.query}" if example.query else ""
    paths = []
    for layer in attention.layers:
        by_token = attention.by_token(layer, heads)
        title = f"{name}{asked} (layer {layer})"
        figure = attention_figure(sample.waveform, attention.seconds, by_token, attention.tokens, boundaries, title)
        paths.append(folder / f"layer-{layer}.png")
        with replacing(paths[-1]) as file:
            figure.savefig(file, dpi=150, format="png")
    record = {
        "audio": example.audio,
        "task": example.task,
        "query": example.query,
        "text": attention.answer.text,
        "predicted": [cells(event) for event in predicted],
        "reference": [cells(event) for event in example.events],
        "heads": list(heads),
        "tokens": list(attention.tokens),
        "seconds": [round(moment, 4) for moment in attention.seconds.tolist()],
        "layers": {str(layer): attention.by_token(layer, heads).tolist() for layer in attention.layers},
    }
    write_atomically(folder / ATTENTION, json.dumps(record, ensure_ascii=False))
    return "\n".join(f"attention: {path}" for path in (*paths, folder / ATTENTION))


def check_heads(heads: Sequence[int], available: int) -> None:
    """Raise ValueError for a head that the model does not have."""
    for head in heads:
        if not 0 <= head < available:
            raise ValueError(f"heads: the model has heads 0 to {available - 1}, not {head}")


def measure_attention(
    models: Mapping[str, Callable[[], Listener]], samples: Sequence[Sample], task: ScoredTask, folder: Path
) -> str:
    """The share of timestamp attention near a reference boundary, of each model and layer; returns a table.

    The mean over questions of what `share_near` gives for the mean over heads and tokens; chance is the part of a
    clip's timestamps that lies there. Questions without a reference, and clips without a timestamp, have no share and
    are left out. Models are loaded one after the other. Writes attention.json and shares.png. Raises ValueError where
    nothing is left.
    """
    shares: dict[str, list[float]] = {}
    by_chance: list[Tensor] = []
    present = [sample for sample in samples if sample.example.events]
    for name, load in models.items():
        listener = load()
        layers = range(num_layers(listener))
        per_question = []
        for sample in track(present, escape(name)):
            attention = attention_of(listener, sample, task, layers)
            if len(attention.seconds):
                is_near = near(attention.seconds, sample.example.events)
                per_question.append(share_near(attention.weights.mean(dim=(1, 2)), is_near))
                by_chance.append(is_near.double().mean())
        if not per_question:
            raise ValueError(f"{name}: none of {len(samples)} questions has both a reference and a timestamp")
        shares[name] = (100 * torch.stack(per_question).mean(dim=0)).tolist()
        del listener
    chance, counted = 100 * float(torch.stack(by_chance).mean()), len(by_chance) // len(models)
    record = {
        "task": task.name,
        "questions": counted,
        "left_out": len(samples) - counted,
        "within_s": NEAR_S,
        "chance": chance,
        "shares": shares,
    }
    write_atomically(folder / ATTENTION, json.dumps(record, indent=1, ensure_ascii=False))
    with replacing(folder / SHARES) as file:
        shares_figure(shares, chance).savefig(file, dpi=150, format="png")
    return f"{_shares_table(shares, chance, counted, len(samples))}attention: {folder / ATTENTION}, {folder / SHARES}"


def _shares_table(shares: Mapping[str, Sequence[float]], chance: float, counted: int, asked: int) -> str:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("% of timestamp attention within 0.2 s of a boundary, by layer")
    for layer in range(max(map(len, shares.values()))):
        table.add_column(str(layer), justify="right")
    for name, of_model in shares.items():
        table.add_row(Text(visible(name, 60)), *(f"{share:.1f}" for share in of_model))
    text = io.StringIO()
    console = Console(file=text, width=140)
    console.print(table)
    left_out = f"; {asked - counted} without a reference or a timestamp are left out" if asked > counted else ""
    console.print(Text(f"chance {chance:.1f}: all timestamps alike; mean over {counted} questions{left_out}"))
    return text.getvalue()
