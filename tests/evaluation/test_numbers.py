from __future__ import annotations

import pytest

from timepro_lit.evaluation.numbers import Trained, figures_of, scores_by_task
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


def trained(*right: int) -> Trained:
    """A method that was trained as often as numbers are given."""
    seeds = [scores(number) for number in right]
    return Trained({task: [of[task] for of in seeds] for task in seeds[0]}, tuple(range(len(seeds))))


def test_each_task_has_its_metrics_and_the_parse_rate_runs_over_all() -> None:
    found = scores(right=3)
    assert found["ag"].values["mIoU"] == 75.0
    assert found["sed"].values["Eb-F1"] == pytest.approx(100 * 6 / 7)  # 3 hits, 1 missed
    assert found["all"].values["parse_rate"] == 75.0


def test_a_task_that_was_not_asked_has_no_scores_and_one_that_is_not_scored_does_not_count() -> None:
    assert set(scores_by_task(answers(right=1), TASKS | {"dac": DenseCaptioning()})) == {"ag", "sed", "all"}
    assert len(scores_by_task(answers(right=1), {"ag": TASKS["ag"]})["all"].ids) == 4


def test_the_figures_pair_each_row_with_the_one_before() -> None:
    figures = figures_of({"zero_shot": trained(0), "sft": trained(4), "grpo": trained(4)}, TASKS)
    assert figures["n_test"] == {"ag": 4, "sed": 4}
    assert figures["scores"]["sft"] == {"ag": {"mIoU": 100.0, "R@0.5": 100.0, "R@0.7": 100.0, "R@0.9": 100.0},
                                        "sed": {"Eb-F1": 100.0}, "parse_rate": 100.0}  # fmt: skip
    assert list(figures["intervals"]) == ["zero_shot", "sft", "grpo", "sft - zero_shot", "grpo - sft"]
    assert figures["intervals"]["sft - zero_shot"]["ag"]["mIoU"] == (100.0, 100.0)
    assert figures["intervals"]["grpo - sft"]["parse_rate"] == (0.0, 0.0)


def test_a_figure_is_the_mean_of_its_seeds() -> None:
    figures = figures_of({"sft": trained(1, 2, 3), "grpo": trained(4, 4, 4)}, TASKS)
    assert figures["scores"]["sft"]["ag"]["mIoU"] == pytest.approx(50.0)
    f1 = [100 * 2 * right / (right + 4) for right in (1, 2, 3)]
    assert figures["scores"]["sft"]["sed"]["Eb-F1"] == pytest.approx(sum(f1) / 3)  # not the F1 of all their events
    low, high = figures["intervals"]["sft"]["ag"]["mIoU"]
    assert low < 25.0 and high > 75.0
    assert figures["intervals"]["grpo - sft"]["ag"]["mIoU"][0] < 50.0


def test_pairs_that_are_asked_for_are_made_and_no_others() -> None:
    figures = figures_of({"a": trained(1), "b": trained(2), "c": trained(3)}, TASKS, [("b", "a"), ("c", "a")])
    assert figures["differences"] == [["b", "a"], ["c", "a"]]
    assert [name for name in figures["intervals"] if " - " in name] == ["b - a", "c - a"]


def test_seeds_that_were_asked_something_else_have_no_mean() -> None:
    other = scores_by_task(answers(3)[2:], TASKS)
    with pytest.raises(ValueError, match="need the same examples"):
        figures_of({"sft": Trained({"ag": [scores(1)["ag"], other["ag"]]}, (1, 2))}, TASKS)
