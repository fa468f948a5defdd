"""Figures of the paper (TimePro-RL), to stand beside ours; they are quoted, never compared with a test."""

from __future__ import annotations

from collections.abc import Mapping

COLUMNS = (
    ("ag", "R@0.5"), ("ag", "R@0.7"), ("ag", "R@0.9"), ("ag", "mIoU"), ("sed", "Eb-F1"), ("dac", "METEOR"),
    ("dac", "Eb-F1"),
)  # fmt: skip
"""(task, metric) of each figure below."""

Figures = tuple[float | None, ...]
"""Percent, in the order of `COLUMNS`; None where the paper has none."""

ZERO_SHOT: Mapping[str, Figures] = {
    "Qwen2-Audio 7B": (9.2, 5.1, 3.3, 11.9, 3.4, 11.2, 3.0),
    "Qwen2.5-Omni 7B": (25.4, 17.4, 10.6, 27.7, 13.7, 10.5, 10.4),
}
FINE_TUNED: Mapping[str, Figures] = {
    "Audio-Flamingo2 3B": (37.0, 27.6, 19.0, 43.3, 8.9, 25.7, 12.7),
    "TimeAudio 7B (its own paper)": (75.7, 61.2, 36.5, 57.8, None, 20.4, 37.4),
    "Qwen2-Audio 7B": (74.8, 57.9, 34.6, 69.6, 49.8, 32.2, 35.0),
    "Qwen2.5-Omni 7B": (74.0, 59.8, 34.1, 69.9, 48.9, 31.3, 35.2),
    "Kimi-Audio 7B": (76.1, 60.0, 34.5, 70.6, 50.9, 31.2, 32.7),
}
TIMEPRO_RL: Mapping[str, Figures] = {
    "Qwen2-Audio 7B": (78.8, 64.0, 38.1, 72.9, 58.4, 35.3, 39.8),
    "Qwen2.5-Omni 7B": (80.1, 66.3, 39.8, 74.4, 57.6, 33.9, 40.7),
}
ABLATION: Mapping[str, Figures] = {
    "SFT baseline": (74.0, 59.8, 34.1, 69.9, 48.9, 31.3, 35.2),
    "+ ASTP, random init": (73.2, 57.2, 32.8, 68.8, 46.0, 31.4, 33.3),
    "+ ASTP": (77.6, 61.7, 35.8, 71.7, 50.1, 32.6, 37.0),
    "+ ASTP + RL (Eb-F1 only)": (77.8, 63.1, 38.9, 72.7, 56.9, 31.6, 38.1),
    "+ ASTP + RL (adaptive)": (80.1, 66.3, 39.8, 74.4, 57.6, 33.9, 40.7),
}
"""Of Qwen2.5-Omni 7B."""
