from __future__ import annotations

import pytest

from timepro_lit.data.skips import Skips
from timepro_lit.records import Example, Skipped


def skipped(id_: str, kind: str = "missing") -> Skipped:
    return Skipped(Example(id_, "sed", "a.wav", 1.0, ()), kind, f"{id_} is not there")


def test_each_example_counts_once() -> None:
    skips = Skips(num_examples=200, max_share=0.01)
    skips.note([skipped("a"), skipped("b", "silent")])
    skips.note([skipped("a")])
    assert skips.kind_of == {"a": "missing", "b": "silent"}


def test_too_large_a_share_ends_the_run() -> None:
    skips = Skips(num_examples=200, max_share=0.01)
    skips.check({"a": "missing", "b": "silent"})
    with pytest.raises(
        ValueError,
        match=r"3 of 200 examples cannot be used, more than 1\.0% of them: \{'missing': 2, 'silent': 1\}; 'c' for one",
    ):
        skips.check({"a": "missing", "b": "silent", "c": "missing"})
    Skips().check({str(n): "missing" for n in range(1_000)})  # no limit


def test_the_refusal_says_what_is_wrong_with_one_of_them() -> None:
    skips = Skips(num_examples=2, max_share=0.01)
    skips.note([skipped("a")])
    with pytest.raises(ValueError, match=r"\{'missing': 1\}; 'a' for one: a is not there$"):
        skips.check(skips.kind_of)
