"""What stands before an answer is not the answer, nor is what explains it."""

from __future__ import annotations

import pytest

from timepro_lit.tasks.dense_captioning import DenseCaptioning
from timepro_lit.tasks.grounding import Grounding
from timepro_lit.tasks.sound_events import SoundEventDetection

TASK = Grounding()


@pytest.mark.parametrize(
    "text",
    [
        "<think>[7.0, 8.0]? 7-8.</think>[2.5, 4.25]",
        "<THINKING>\n[7.0, 8.0]\n</THINKING>\n2.5 - 4.25 s",
        "perhaps 7.0-8.0 s\n</think>\n\n[2.5, 4.25]",  # the opening tag stood at the end of the prompt
        "<think>I write <answer>[7, 8]</answer></think><answer>[2.5, 4.25]</answer>",
        "<think>a</think>[7.0, 8.0]<think>no</think>[2.5, 4.25]",
        "[THINK]7.0-8.0[/THINK]2.5-4.25",
        "<|channel|>analysis<|message|>[7.0, 8.0]<|end|><|start|>assistant<|channel|>final<|message|>[2.5, 4.25]",
        "Draft: [7.0, 8.0]\n<answer>[2.5, 4.25]",
        "I hear it at [7.0, 8.0]. Final answer: [2.5, 4.25]",
        "Thought: about 7.0 to 8.0 s.\n**Answer:** 2.5 to 4.25 s",
        "Thought: about 7.0 to 8.0 s.\n\n[2.5, 4.25]",
        "So it is \\boxed{[2.5, 4.25]}",
        "[2.5, 4.25]\nExplanation: it is quiet from 7.0 to 8.0 s.",
        "Answer: 2.5-4.25 s\nReasoning: 7.0-8.0 s is too late.",
        "[2.5, 4.25]<think>Was it 7.0-8.0?",
        "[2.5, 4.25]\nThe answer is in seconds.",
        "7.0-8.0? no. The answer is given below.\n[2.5, 4.25]",
    ],
)
def test_only_the_answer_is_read(text: str) -> None:
    assert [(event.onset, event.offset) for event in TASK.parse(text).events] == [(2.5, 4.25)]


@pytest.mark.parametrize(
    "text",
    [
        "<think>[7.0, 8.0]",
        "Thought: 7.0-8.0 s",
        "<answer></answer> [7.0, 8.0]",
        "<think>7-8</think>",
        "Draft: [7, 8]",
        "[7, 8]? The answer is unclear.",
    ],
)
def test_thinking_without_an_answer_is_none(text: str) -> None:
    assert not TASK.parse(text).readable


def test_a_caption_announces_nothing() -> None:
    text = "1.20-3.48, a host asks 2 questions. The answer is five.\n5.00-6.00, rain"
    captions = [event.label for event in DenseCaptioning().parse(text).events]
    assert captions == ["a host asks 2 questions. The answer is five.", "rain"]
    assert [event.label for event in DenseCaptioning().parse(f"0-9, hm\nAnswer:\n{text}").events] == captions
    (event,) = DenseCaptioning().parse("0-2 s, hm. Final answer: 0.1-0.6 s, dog barks").events
    assert (event.onset, event.label) == (0.1, "dog barks")


def test_an_empty_answer_after_thinking_is_one() -> None:
    prediction = SoundEventDetection(["dog"]).parse('<think>{"dog": [7.0, 8.0]}?</think>{}')
    assert (prediction.events, prediction.readable, prediction.repairs) == ((), True, ("thinking",))
