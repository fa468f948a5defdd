"""From several sampled answers to a question to the one that counts."""

from __future__ import annotations

from timepro_lit.events.voting import vote
from timepro_lit.records import Answer, Example, Voter
from timepro_lit.tasks.base import ScoredTask
from timepro_lit.tasks.grounding import takes_one_event


def voted(example: Example, task: ScoredTask, prompt: str, voters: tuple[Voter, ...]) -> Answer:
    """The answer that all voters come to; labels of a closed set tell events apart, free ones only describe them."""
    said = [voter.prediction for voter in voters]
    prediction = vote(said, by_label=bool(task.classes), one=takes_one_event(task))
    return Answer(example, prompt, "", prediction, any(voter.truncated for voter in voters), voters)
