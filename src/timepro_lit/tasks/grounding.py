"""Audio grounding: when does the described sound happen?"""

from __future__ import annotations

import json
from dataclasses import dataclass

from timepro_lit.records import Event, Example, Prediction
from timepro_lit.tasks.base import in_onset_order, pairs_text
from timepro_lit.tasks.reading import read_events


@dataclass(frozen=True, slots=True)
class Grounding:
    """Asks for one query, answered as `{"a dog barks": [1.20, 3.48]}`.

    Reading accepts any key, or none: only the times score. An answer without a pair of times is unreadable.
    """

    name: str = "ag"

    def prompt(self, example: Example) -> str:
        query = _query(example)
        return (
            f'When does "{query}" happen? '
            f"Answer in JSON with times in seconds: {{{json.dumps(query)}: [onset, offset]}}"
        )

    def target(self, example: Example) -> str:
        if not example.events:
            raise ValueError(f"example {example.id!r}: grounding needs at least one reference event.")
        return f"{{{json.dumps(_query(example))}: {pairs_text(in_onset_order(example.events))}}}"

    def parse(self, text: str) -> Prediction:
        reading = read_events(text)
        events = tuple(Event(onset, offset, label or "") for onset, offset, label in reading.spans)
        return Prediction(events, readable=bool(events), repairs=reading.repairs)


def _query(example: Example) -> str:
    if not example.query:
        raise ValueError(f"example {example.id!r}: grounding needs a query.")
    return example.query
