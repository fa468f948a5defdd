from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import pytest

from timepro_lit.data.corpora.prepared import Corpus
from timepro_lit.rewards.base import Reward
from timepro_lit.settings.binding import UNRESOLVED, argument_faults, locate, node_faults
from timepro_lit.time_prompt.grid import TimeGrid


class Clips:
    def __init__(
        self,
        root: str,
        clip_s: float = 4.0,
        num_clips: Mapping[str, int] | None = None,
        split: Literal["train", "test"] = "train",
        snr_db: tuple[float, float] = (0.0, 20.0),
        grid: TimeGrid | None = None,
        grids: Mapping[str, TimeGrid] | None = None,
        flag: bool = False,
    ) -> None: ...


def faults(supplied: Sequence[str] = (), **arguments: Any) -> list[str]:
    return list(argument_faults(Clips, arguments, "data", supplied, "Clips", partial=bool(supplied)))


def test_what_fits_has_no_faults() -> None:
    grid = {"_target_": "timepro_lit.time_prompt.grid.TimeGrid", "stride": 2}
    assert faults(root="a") == []
    assert faults(root="a", clip_s=4, num_clips={"train": 3}, split="test", snr_db=[1, 2.5], grid=grid) == []
    assert faults(root="a", num_clips=None, grid=None, grids={"fine": grid}, flag=True) == []
    assert faults(root=UNRESOLVED, grid=UNRESOLVED) == []


def test_unknown_argument_with_the_nearest_name() -> None:
    assert faults(root="a", clip_sec=3.0) == ["data.clip_sec: Clips takes no such argument; did you mean clip_s?"]


def test_unknown_argument_without_a_near_name_lists_all() -> None:
    (fault,) = faults(root="a", zzz=3.0)
    assert fault.startswith("data.zzz: Clips takes no such argument (it takes root, clip_s,")


def test_missing_argument() -> None:
    assert faults(clip_s=3.0) == ["data.root: Clips needs this argument"]
    assert faults(supplied=["root"], clip_s=3.0) == []


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [
        ("clip_s", "long", "data.clip_s: 'long' is not float"),
        ("clip_s", True, "data.clip_s: True is not float"),
        ("clip_s", [1.0], "data.clip_s: [1.0] is not float"),
        ("clip_s", None, "data.clip_s: None is not float"),
        ("root", 3, "data.root: 3 is not str"),
        ("flag", 1, "data.flag: 1 is not bool"),
        ("split", "val", "data.split: 'val' is not Literal['train', 'test']"),
        ("num_clips", {"train": "x"}, "data.num_clips.train: 'x' is not int"),
        ("snr_db", [1.0, "x"], "data.snr_db[1]: 'x' is not float"),
        ("snr_db", {"low": 1.0}, "data.snr_db: has ['low'] but no _target_"),
        ("grid", {"stride": 2}, "data.grid: has ['stride'] but no _target_"),
        ("grids", {"fine": {"stride": 2}}, "data.grids.fine: has ['stride'] but no _target_"),
    ],
)
def test_wrong_type(key: str, value: Any, fault: str) -> None:
    assert faults(**{"root": "a", key: value}) == [fault]


def test_a_scalar_in_place_of_one_of_our_objects() -> None:
    (fault,) = faults(root="a", grid="fine")
    assert fault.startswith("data.grid: 'fine' is not ")


def test_faults_of_nested_nodes_carry_the_whole_path() -> None:
    grid = {"_target_": "timepro_lit.time_prompt.grid.TimeGrid", "strid": 2, "max_seconds": "x"}
    assert faults(root="a", grids={"fine": grid}) == [
        "data.grids.fine.strid: timepro_lit.time_prompt.grid.TimeGrid takes no such argument; did you mean stride?",
        "data.grids.fine.max_seconds: 'x' is not float",
    ]


def test_siblings_of_a_node_must_be_nodes_too() -> None:
    def open_mapping(rewards: dict[str, Any]) -> None: ...

    node = {"_target_": "timepro_lit.time_prompt.grid.TimeGrid"}
    arguments = {"rewards": {"iou": node, "format": {"weight": 0.3}}}
    assert list(argument_faults(open_mapping, arguments, "reward", (), "r")) == [
        "reward.rewards.format: has ['weight'] but no _target_"
    ]


def test_keyword_catchers_take_any_name() -> None:
    def logger(save_dir: str, **kwargs: Any) -> None: ...

    assert list(argument_faults(logger, {"save_dir": "a", "anything": 1}, "logger", (), "logger")) == []


def test_only_partial_nodes_are_supplied_with_arguments() -> None:
    node = {"_target_": "timepro_lit.records.Event", "onset": 1.0, "label": "dog"}
    assert list(node_faults(node, "x", ["offset"])) == ["x.offset: timepro_lit.records.Event needs this argument"]
    assert list(node_faults(node | {"_partial_": True}, "x", ["offset"])) == []


@pytest.mark.parametrize(
    ("target", "hint", "makes"),
    [
        ("timepro_lit.data.corpora.prepared.Prepared", Corpus, True),
        ("timepro_lit.data.corpora.prepared.Prepared", Corpus | None, True),
        ("timepro_lit.data.corpora.ftar.Ftar", Corpus, False),
        ("timepro_lit.data.corpora.ftar.Ftar", Corpus | Any, True),
        # Every class can be called; what it makes only where it says so.
        ("timepro_lit.rewards.iou.IoUReward", Reward, True),
        ("timepro_lit.data.corpora.ftar.Ftar", Reward, False),
        ("timepro_lit.time_prompt.grid.TimeGrid", TimeGrid, True),
        ("timepro_lit.data.corpora.ftar.Ftar", TimeGrid | str, False),
        ("timepro_lit.data.corpora.ftar.Ftar", Mapping[str, Any], False),
        ("timepro_lit.time_prompt.grid.TimeGrid", Callable[..., TimeGrid], True),
        ("timepro_lit.data.corpora.ftar.Ftar", Callable[..., TimeGrid], False),
        ("timepro_lit.data.corpora.ftar.Ftar", Callable, True),
        ("timepro_lit.data.corpora.ftar.Ftar", UNRESOLVED.__class__, True),
        # What a function makes, only the function knows.
        ("timepro_lit.metrics.meteor.shared_meteor", TimeGrid, True),
    ],
)
def test_a_node_makes_what_is_asked(target: str, hint: Any, makes: bool) -> None:
    (fault, *_) = [*node_faults({"_target_": target}, "x", hint=hint), ""]
    assert fault.startswith(f"x._target_: {target} makes no ") is not makes


def test_what_cannot_be_imported_is_named() -> None:
    assert list(node_faults({"_target_": "timepro_lit.records.Evnt"}, "x")) == [
        "x._target_: cannot import timepro_lit.records.Evnt: module timepro_lit.records has no class or function Evnt"
    ]
    assert list(node_faults({"_target_": "timepro_lit.nowhere.Event"}, "x")) == [
        "x._target_: cannot import timepro_lit.nowhere.Event: No module named 'timepro_lit.nowhere'"
    ]
    assert list(node_faults({"_target_": "Event"}, "x")) == ["x._target_: 'Event' is not a dotted path"]


def test_locate_finds_the_class_itself() -> None:
    assert locate("timepro_lit.time_prompt.grid.TimeGrid") is TimeGrid
