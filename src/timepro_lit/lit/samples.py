"""A run's own data in other hands: made ready where that is allowed, and single questions with their recordings."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from timepro_lit.data.dataset import ClipDataset
from timepro_lit.lit.datamodule import ClipDataModule
from timepro_lit.records import Sample


def make_ready(data: ClipDataModule, writable: Collection[Path] | None) -> None:
    """Generate what is missing of the data, below the `writable` folders alone; None = anywhere.

    Raises ValueError where it belongs elsewhere: settings may come from anybody.
    """
    place = data.corpus.generated_in()
    own = writable is None or place is None or any(place.resolve().is_relative_to(w.resolve()) for w in writable)
    if not own:
        raise ValueError(f"the run's data would be generated in {place}: allow it by paths.data={place.parent}")
    data.corpus.make_ready()


def samples_of(data: ClipDataModule, split: str, task: str, example: str | None, num_questions: int) -> list[Sample]:
    """The first questions of a task in a split, or the one called `example`; recordings that cannot be used left out.

    Raises ValueError where there is none.
    """
    examples = data.examples(split)
    wanted = [i for i in range(len(examples)) if examples[i].task == task]
    if example is not None:
        wanted = [i for i in wanted if examples[i].id == example]
    dataset = ClipDataset([examples[i] for i in wanted[:num_questions]], data.corpus.store())
    found = [sample for i in range(len(dataset)) if isinstance(sample := dataset[i], Sample)]
    if not found:
        which = "" if example is None else f" called {example}"
        raise ValueError(f"the split {split} has no question of task {task}{which} with a recording that can be used")
    return found
