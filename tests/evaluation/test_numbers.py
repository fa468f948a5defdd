from __future__ import annotations

import pytest

from timepro_lit.evaluation.numbers import figures_of, pool, scores_by_task, validation_score
from timepro_lit.metrics.suite import Scores
from timepro_lit.records import Answer, Event, Example
from timepro_lit.tasks.dense_captioning import DenseCaptioning
from timepro_lit.tasks.grounding import Grounding
from timepro_lit.tasks.sound_events import SoundEventDetection

TASKS = {"ag": Grounding(), "sed": SoundEventDetection(["dog"])}
EXACT = {"ag": '{"a dog barks": [1.00, 2.00]}', "sed": '{"dog": [1.00, 2.00]}'}


def answers(right: int) -> list[Answer]:
    """Four clips, two questions each; the first `right` clips are answered exactly, the others not readably."""
    given = []
    for number in range(4):
        for name, task in TASKS.items():
            query = "a dog barks" if task.takes_query else None
            events = (Event(1.0, 2.0, query or "dog"),)
            example = Example(f"{number}-{name}", name, f"{number}.flac", 4.0, events, query)
            text = EXACT[name] if number < right else "I hear a dog."
            given.append(Answer(example, task.prompt(example), text, task.parse(text), truncated=False))
    return given


def scores(right: int) -> dict[str, Scores]:
    return scores_by_task(answers(right), TASKS)


def test_each_task_has_its_metrics_and_the_parse_rate_runs_over_all() -> None:
    found = scores(right=3)
    assert found["ag"].values["mIoU"] == 75.0
    assert found["sed"].values["Eb-F1"] == pytest.approx(100 * 6 / 7)  # 3 hits, 1 missed
    assert found["all"].values["parse_rate"] == 75.0


def test_a_task_that_was_not_asked_has_no_scores_and_one_that_is_not_scored_does_not_count() -> None:
    assert set(scores_by_task(answers(right=1), TASKS | {"dac": DenseCaptioning()})) == {"ag", "sed", "all"}
    assert len(scores_by_task(answers(right=1), {"ag": TASKS["ag"]})["all"].ids) == 4


def test_the_figures_pair_each_row_with_the_one_before() -> None:
    figures = figures_of({"zero_shot": scores(0), "sft": scores(4), "grpo": scores(4)}, TASKS)
    assert figures["n_test"] == {"ag": 4, "sed": 4}
    assert figures["scores"]["sft"] == {"ag": {"mIoU": 100.0, "R@0.5": 100.0, "R@0.7": 100.0, "R@0.9": 100.0},
                                        "sed": {"Eb-F1": 100.0}, "parse_rate": 100.0}  # fmt: skip
    assert list(figures["intervals"]) == ["zero_shot", "sft", "grpo", "sft - zero_shot", "grpo - sft"]
    assert figures["intervals"]["sft - zero_shot"]["ag"]["mIoU"] == (100.0, 100.0)
    assert figures["intervals"]["grpo - sft"]["parse_rate"] == (0.0, 0.0)


def test_seeds_are_pooled_clip_by_clip() -> None:
    pooled = pool([scores(1), scores(2), scores(3)])
    assert pooled["ag"].values["mIoU"] == pytest.approx(50.0)  # (1 + 2 + 3) / 12
    assert len(pooled["ag"].rows) == 4  # clips, not answers, are what a bootstrap draws
    with pytest.raises(ValueError, match="not evaluated on the same ag examples"):
        pool([scores(1), scores_by_task(answers(3)[2:], TASKS)])


def test_validation_chooses_by_the_first_watched_metric_of_each_task() -> None:
    tasks = TASKS | {"dac": DenseCaptioning()}
    logged = {"val/ag/mIoU": 40.0, "val/ag/R@0.5": 99.0, "val/dac/Eb-F1": 20.0, "val/dac/METEOR": 90.0}
    assert validation_score(logged, tasks) == 30.0
    assert validation_score({"train/loss": 1.0}, tasks) is None
