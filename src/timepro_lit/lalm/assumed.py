"""A frontend for planning where a checkpoint's tokenizer is not here: it counts tokens, and nobody reads them."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

from timepro_lit.lalm.frontend import AudioPath, Frontend
from timepro_lit.time_prompt.prompt import TimePrompt

PIECES = re.compile(r"\d| ?[^\W\d]{1,6}|[^\w\s]{1,3}|_|\s+")
"""About what tokenizers of large vocabularies take for one token: a digit, a short word, some marks."""
CHAT_TOKENS = 27
"""Around a question in Qwen2.5-Omni's chat: its system prompt, the roles, the marks around the audio."""
_AUDIO, _TEXT, _TIME = 1, 2, 3


class CountedText:
    """Tells a text's number of tokens as a tokenizer would, roughly."""

    pad_token_id = 0

    def __len__(self) -> int:
        return _TIME

    def __call__(self, text: str, **kwargs: Any) -> dict[str, list[int]]:
        return {"input_ids": [_TEXT] * len(PIECES.findall(text))}


def assumed_frontend(audio: AudioPath, time_prompt: TimePrompt | None) -> Frontend:
    """Audio frames and timestamps as ever, texts by `PIECES`; it makes no features."""

    def chat(tokenizer: Any, prompt: str, audio_id: int) -> list[int]:
        return [_TEXT] * CHAT_TOKENS + [audio_id, *tokenizer(prompt)["input_ids"]]

    extractor: Any = SimpleNamespace(sampling_rate=16_000, hop_length=160)
    tokenizer: Any = CountedText()
    return Frontend(tokenizer, extractor, audio, _AUDIO, (0,), _TIME, time_prompt, chat)
