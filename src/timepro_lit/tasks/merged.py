"""From the answers to windows of a recording to the one that counts; and stored answers read again."""

from __future__ import annotations

from collections.abc import Sequence

from timepro_lit.events.merging import AGREE, merge_predictions
from timepro_lit.records import Answer, Example, Voter
from timepro_lit.tasks.base import ScoredTask
from timepro_lit.tasks.grounding import takes_one_event
from timepro_lit.tasks.voted import voted


def merged(example: Example, task: ScoredTask, windows: Sequence[Answer], merge_iou: float = AGREE) -> Answer:
    """The answer about a recording that all windows come to; labels of a closed set tell events apart.

    Of a question that one event answers, the best of all windows is that. Raises ValueError where it has no score.
    """
    said = [answer.prediction for answer in windows]
    one = takes_one_event(task)
    if one and any(p.readable and p.presence is None for p in said):
        raise ValueError(no_merging(task))
    starts_s = [round(answer.example.start_s - example.start_s, 4) for answer in windows]
    places = [(start_s, answer.example.duration_s) for start_s, answer in zip(starts_s, windows, strict=True)]
    prediction = merge_predictions(places, said, bool(task.classes), one, merge_iou)
    return Answer(
        example, task.prompt(example), "", prediction, any(a.truncated for a in windows), windows=tuple(windows)
    )


def no_merging(task: ScoredTask) -> str:
    """Why greedy answers of windows cannot be merged, as it follows upon what they would be about."""
    return (
        f"task={task.name} is answered by one event in every window, whether it occurs there or not, and greedy "
        "answers do not say which is right: ask task=moments, or give vote=8 for the one that most votes agree on"
    )


def read_again(
    example: Example, task: ScoredTask, prompt: str, said: Sequence[tuple[str, bool]], is_voted: bool
) -> Answer:
    """What was said to a question, (text, whether it was cut at the token limit) of each answer, read by `parse`."""
    voters = tuple(Voter(text, task.parse(text), cut) for text, cut in said)
    if is_voted:
        return voted(example, task, prompt, voters)
    (one,) = voters
    return Answer(example, prompt, one.text, one.prediction, one.truncated)


def said_in(answer: Answer) -> list[tuple[str, bool]]:
    """The inverse of `read_again`, of an answer that was not merged."""
    return [(voter.text, voter.truncated) for voter in answer.voters] or [(answer.text, answer.truncated)]
