"""The side of a backbone that holds no weights: samples and text become what a `LALM` reads, ids become text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import PreTrainedTokenizerBase, SequenceFeatureExtractor

from timepro_lit.time_prompt.grid import TimeGrid
from timepro_lit.time_prompt.interleave import interleave
from timepro_lit.time_prompt.prompt import TimePrompt

WINDOW_S = 30.0
"""Of Whisper's encoder, and how long prompts are unless it is said otherwise."""
Chat = Callable[[PreTrainedTokenizerBase, str, int], list[int]]
"""(tokenizer, prompt, audio id) -> the ids of a chat that ends where the answer begins, its audio one placeholder."""


@dataclass(frozen=True, slots=True)
class AudioPath:
    """What an encoder makes of a clip: which length it takes, how many frames come back, and when they end."""

    frames_per_second: float
    count_frames: Callable[[int], int]
    """Mel frames of a clip -> audio frames that the language model reads."""
    pads: bool = False
    """Whether every clip is padded to whole windows of `WINDOW_S`; otherwise the encoder takes clips as they are."""
    block_s: float | None = None
    """See `TimeGrid`."""
    hears_s: float = WINDOW_S
    """The longest clip that the family was made for."""
    max_duration_s: float = WINDOW_S
    """The longest clip that is prompted about, as it is set: timestamps go so far."""

    def up_to(self, max_duration_s: float) -> AudioPath:
        """The same for longer or shorter clips. Raises ValueError for what the family does not hear."""
        if isinstance(max_duration_s, bool) or not 0 < max_duration_s <= self.hears_s:
            raise ValueError(f"hears more than 0 s and at most {self.hears_s:g} s, not {max_duration_s}")
        return replace(self, max_duration_s=float(max_duration_s))

    def grid(self, time_prompt: TimePrompt, longest_frames: int) -> TimeGrid:
        """The timestamps that this encoder's frames, so many of the longest clip, are interleaved with."""
        return time_prompt.grid(self.frames_per_second, self.max_duration_s, self.block_s, longest_frames)


def template_chat(tokenizer: PreTrainedTokenizerBase, prompt: str, audio_id: int) -> list[int]:
    """A user's turn, audio then text, in the checkpoint's own template. Raises ValueError but for one audio token."""
    content = [{"type": "audio", "audio": ""}, {"type": "text", "text": prompt}]
    turn = [{"role": "user", "content": content}]
    try:
        chat = tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)
    except TypeError as error:  # of a template for text alone
        raise ValueError(f"the chat template of {tokenizer.name_or_path} takes no audio: {error}") from error
    ids: list[int] = tokenizer(chat, add_special_tokens=False)["input_ids"]
    if ids.count(audio_id) != 1:
        raise ValueError(f"the chat of prompt {prompt!r} holds {ids.count(audio_id)} audio tokens, not one")
    return ids


class Frontend:
    """Turns samples and text into what a `LALM` reads, and ids back into text. Holds no weights; picklable.

    `grid` is None where no time prompt is used. Timestamp k of the grid has id `first_timestamp_id + k - 1`, past the
    rows of the model's embedding matrix, and never reaches the tokenizer. Of `end_ids` the first ends our answers;
    each of them ends the model's.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        feature_extractor: SequenceFeatureExtractor,
        audio: AudioPath,
        audio_id: int,
        end_ids: Sequence[int],
        first_timestamp_id: int,
        time_prompt: TimePrompt | None,
        chat: Chat = template_chat,
    ) -> None:
        self.tokenizer = tokenizer
        self.feature_extractor = feature_extractor
        self.sampling_rate: int = feature_extractor.sampling_rate
        self.audio = audio
        self.frames_per_second = audio.frames_per_second
        self.max_duration_s = audio.max_duration_s
        longest_frames = self.num_frames(round(self.max_duration_s * self.sampling_rate))
        self.grid = None if time_prompt is None else audio.grid(time_prompt, longest_frames)
        self.time_prompt = time_prompt
        self.first_timestamp_id = first_timestamp_id
        self.audio_id = audio_id
        self.end_ids = tuple(end_ids)
        self.pad_id: int = self.end_ids[0] if tokenizer.pad_token_id is None else tokenizer.pad_token_id
        self.chat = chat
        self.num_tokens = len(tokenizer)
        self._timestamp_ids = self._ids_of_timestamps()

    def num_mel_frames(self, num_samples: int) -> int:
        """Mel frames of a clip that hold its own samples."""
        return -(-num_samples // self.feature_extractor.hop_length)

    def num_frames(self, num_samples: int) -> int:
        """Audio frames that the encoder returns for a clip."""
        return self.audio.count_frames(self.num_mel_frames(num_samples))

    def features(self, waveforms: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
        """Log-mel spectrograms (B, M, T) and their mask (B, T) of mono clips at `sampling_rate`.

        Where the encoder takes clips as they are, each is padded past its end by a whole analysis window, so that its
        frames do not depend on the length of its neighbours: they equal those of the extractor's own padding to 30 s.
        Clips beyond 30 s are analysed one by one; of an encoder that pads, in windows, as the library does it.
        """
        longest = max(len(w) for w in waveforms)
        if longest > round(self.max_duration_s * self.sampling_rate):  # the product of 8.03 s falls short by a hair
            raise ValueError(
                f"a clip of {longest / self.sampling_rate:.2f} s exceeds the {self.max_duration_s:g} s that are "
                f"prompted about (model.max_duration_s)"
            )
        if longest <= self._window:
            return self._analysed(waveforms)
        alone = [self._of_long(waveform) for waveform in waveforms]
        num_mel = max(mask.shape[1] for _, mask in alone)
        padded = [[pad(part, (0, num_mel - part.shape[-1])) for part in parts] for parts in zip(*alone, strict=True)]
        return torch.cat(padded[0]), torch.cat(padded[1])

    @property
    def _window(self) -> int:
        """Samples."""
        return round(WINDOW_S * self.sampling_rate)

    def _of_long(self, waveform: np.ndarray) -> tuple[Tensor, Tensor]:
        """(1, M, T) and (1, T) of one clip."""
        if not self.audio.pads:
            return self._analysed([waveform])
        starts = range(0, len(waveform), self._window)
        features, mask = self._analysed([waveform[start : start + self._window] for start in starts])
        return features.transpose(0, 1).flatten(1)[None], mask.flatten()[None]

    def _analysed(self, waveforms: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
        """(B, M, T) and (B, T), clips or windows of them together."""
        extractor, longest = self.feature_extractor, max(len(w) for w in waveforms)
        whole = self._window if self.audio.pads else max(extractor.n_samples, self._window)
        end = longest + extractor.n_fft
        out = extractor(
            list(waveforms),
            sampling_rate=self.sampling_rate,
            padding="max_length",
            max_length=whole if self.audio.pads else end if longest > self._window else min(whole, end),
            return_attention_mask=True,
            return_tensors="pt",
        )
        features, mask = out["input_features"].float(), out["attention_mask"].bool()
        if self.audio.pads:
            return features, mask
        num_mel = int(mask.sum(1).max())
        return features[..., :num_mel], mask[:, :num_mel]

    def prompt_ids(self, prompt: str, num_frames: int) -> list[int]:
        """Chat template with the audio, interleaved with timestamps where a grid is set, and the text `prompt`."""
        ids = self.chat(self.tokenizer, prompt, self.audio_id)
        at = ids.index(self.audio_id)
        return ids[:at] + self._audio_ids(num_frames) + ids[at + 1 :]

    def num_audio_tokens(self, num_frames: int) -> int:
        """Of a clip's frames and their timestamps."""
        if self.grid is None:
            return num_frames
        return num_frames + sum(map(len, self._timestamp_ids[: self.grid.timestamps_for(num_frames)]))

    def _audio_ids(self, num_frames: int) -> list[int]:
        if self.grid is None or self.time_prompt is None:
            return [self.audio_id] * num_frames
        number = self.grid.timestamps_for(num_frames)  # raises for empty clips and for those past the end of the grid
        before, ids_of = self.time_prompt.before, lambda k: self._timestamp_ids[k - 1]
        return interleave(num_frames, self.grid.stride, self.audio_id, ids_of, before, number)

    def _ids_of_timestamps(self) -> list[list[int]]:
        """Of each timestamp of the grid: its row's id, or the tokens of its text."""
        if self.grid is None or self.time_prompt is None:
            return []
        if not self.time_prompt.has_rows:
            return [self.tokens(text) for text in self.grid.texts()]
        return [[self.first_timestamp_id + k] for k in range(self.grid.num_timestamps)]

    def answer_ids(self, text: str) -> list[int]:
        """Ids of an answer, end of turn included."""
        return [*self.tokens(text), self.end_ids[0]]

    def tokens(self, text: str) -> list[int]:
        """Ids of a text as it is."""
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def text(self, ids: Sequence[int]) -> str:
        """Text of an answer up to its end of turn, without special tokens and ids that the tokenizer does not know."""
        end = next((place for place, id_ in enumerate(ids) if id_ in self.end_ids), len(ids))
        known = [id_ for id_ in ids[:end] if id_ < self.num_tokens]
        return self.tokenizer.decode(known, skip_special_tokens=True, clean_up_tokenization_spaces=False)
