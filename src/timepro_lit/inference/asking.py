"""Every question about every recording, in their order, behind what was answered before; long ones in windows."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from timepro_lit.data.audio import AudioError
from timepro_lit.events.voting import Voting
from timepro_lit.files.digests import stamp_of
from timepro_lit.inference.heard_bar import HeardBar
from timepro_lit.inference.journal import Journal
from timepro_lit.inference.listener import Listener
from timepro_lit.inference.queries import Query
from timepro_lit.inference.windowing import Windowing, check_asked, whole_answer
from timepro_lit.records import Answer, Sample
from timepro_lit.tasks.base import ScoredTask


class Asking:
    """All that a call asks. Windows of a recording come one after the other, each with all its questions."""

    def __init__(
        self,
        listener: Listener,
        task: ScoredTask,
        asked_of: Mapping[Path, Sequence[Query]],
        root: Path,
        windowing: Windowing,
        voting: Voting | None = None,
    ) -> None:
        self.listener = listener
        self.task = task
        self.asked_of = {file.relative_to(root).as_posix(): (file, queries) for file, queries in asked_of.items()}
        self.windowing = windowing
        self.voting = voting
        self.faults: dict[str, str] = {}
        """Why a recording cannot be used, by its name; what was answered about it does not count."""

    def ask(self, kept: Journal) -> None:
        """Have answered what is not, and kept as it comes. One batch of windows is held at a time."""
        waiting: deque[tuple[str, int]] = deque()
        with HeardBar([file for file, _ in self.asked_of.values()]) as bar:
            questions = self._questions(kept, waiting, bar)
            for batch in self.listener.batches(questions, {self.task.name: self.task}, self.voting):
                for answer in batch:
                    name, number = waiting.popleft()
                    kept.answered(name, number, answer)
                    file, queries = self.asked_of[name]
                    if number == len(queries) - 1:
                        bar.heard(file, answer.example.start_s + answer.example.duration_s)
                kept.whole_batch()

    def answers(self, kept: Journal) -> list[Answer]:
        """One to each question, in the order of the recordings, once all was asked."""
        found = []
        for name, (_, queries) in self.asked_of.items():
            known = kept.of(name)
            for number, query in enumerate(queries if name not in self.faults else ()):
                windows, length_s = known.answers[number], known.duration_s or 0.0
                found.append(whole_answer(windows, _id(query), length_s, self.task, self.windowing.merge_iou))
        return found

    def _questions(self, kept: Journal, waiting: deque[tuple[str, int]], bar: HeardBar) -> Iterator[Sample]:
        """What is still to be asked; `waiting` says what each question is."""
        for name, (file, queries) in self.asked_of.items():
            try:
                for number, question in self._about(name, file, queries, kept):
                    waiting.append((name, number))
                    yield question
            except (AudioError, OSError) as error:
                self.faults[name] = str(error)
                bar.heard(file, None)

    def _about(self, name: str, file: Path, queries: Sequence[Query], kept: Journal) -> Iterator[tuple[int, Sample]]:
        """What is still to be asked about one recording, each with its number among the questions."""
        known = kept.begun(name, stamp_of(file) or (0, 0, 0))  # whoever opens it says that there is none
        counts = [len(known.answers[number]) for number in range(len(queries))]
        if known.num_windows is not None and min(counts) == known.num_windows:
            return
        for window, piece in enumerate(self.listener.pieces(file, self.windowing, min(counts)), start=min(counts)):
            check_asked(name, piece, self.task, self.voting)
            if piece.recording_s is not None and known.num_windows is None:
                kept.ended(name, piece.recording_s, window + 1)
            for number, query in enumerate(queries):
                if window >= counts[number]:
                    args = (piece, self.task.name, query.text)
                    yield number, self.listener.question_about(*args, audio=name, id_=_id(query))


def _id(query: Query) -> str:
    return "" if query.qid is None else str(query.qid)
