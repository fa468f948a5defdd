from __future__ import annotations

import json
import multiprocessing
from pathlib import Path
from typing import Any

import pytest

from timepro_lit.runs.config_file import read_config
from timepro_lit.runs.directory import Run, claimed_run

SETTINGS: dict[str, Any] = {
    "seed": 1,
    "stage": {"sft": {"learning_rate": 1e-5, "split": None, "folder": "${paths.data}/sft"}},
    "classes": ["a", "b"],
    "paths": {"data": "/data"},
}


def test_the_same_settings_come_back(tmp_path: Path) -> None:
    with claimed_run(tmp_path / "run", SETTINGS) as run:
        (run.directory / "last.ckpt").write_text("weights")
    with claimed_run(tmp_path / "run", SETTINGS) as run:
        assert (run.directory / "last.ckpt").read_text() == "weights"
        assert run.finished is None
    assert read_config(tmp_path / "run") == SETTINGS


def test_a_finished_run_says_so(tmp_path: Path) -> None:
    with claimed_run(tmp_path / "run", SETTINGS) as run:
        run.finish("mIoU 74.4", 0.744, {})
    with claimed_run(tmp_path / "run", SETTINGS) as run:
        assert run.finished == {"table": "mIoU 74.4", "metric": 0.744, "published": {}, "made_from": {}}


def test_a_finished_run_says_what_would_be_another_today(tmp_path: Path) -> None:
    given = {"data": {"train": ("1f",)}, "stages": {"sft": {"code": {"lit/sft.py": "2e"}}}}
    with claimed_run(tmp_path, SETTINGS) as run:
        run.finish("mIoU 74.4", 0.744, given)
        assert run.outdated(given) is None
        assert run.outdated(given | {"data": {"train": ["9f"]}}) == "data.train (['1f'] there, ['9f'] now)"
        newer = given | {"stages": {"sft": {"code": {"lit/sft.py": "3f", "lit/new.py": "4c"}}}}
        assert run.outdated(newer) == "stages.sft.code.lit/sft.py (2e there, 3f now)"
        assert run.outdated(newer, but_code=True) is None
        assert "data.train" in (run.outdated(newer | {"data": {"train": ["9f"]}}, but_code=True) or "")
        (tmp_path / "finished.json").write_text('{"table": "mIoU 74.4", "metric": 0.744}')  # of an earlier version
        assert run.outdated(given) is None


def test_a_run_of_which_less_is_asked_is_finished_and_one_of_which_more_is_asked_is_not(tmp_path: Path) -> None:
    less = {"data": {"train": "1f"}, "stages": {"sft": {"code": {"lit/sft.py": "2e"}}}}
    more = {**less, "data": {"train": "1f", "test": "3d"}, "answers": {"code": {"lit/base.py": "4c"}}}
    with claimed_run(tmp_path, SETTINGS) as run:
        run.finish("mIoU 74.4", 0.744, more)
        assert run.outdated(less) is None
        assert run.outdated(less | {"data": {"train": "9f"}}) == "data.train (1f there, 9f now)"
        # A file less is other code, not less that is asked.
        other = less | {"stages": {"sft": {"code": {}}}}
        assert run.outdated(other) == "stages.sft.code.lit/sft.py (2e there, nothing now)"
        run.finish("", 0.744, less)
        assert run.outdated(more) == "data.test (nothing there, 3d now)"


@pytest.mark.parametrize("lost", ["report.json", "report.html"])
def test_a_run_without_its_report_is_not_finished(lost: str, tmp_path: Path) -> None:
    with claimed_run(tmp_path, SETTINGS) as run:
        for name in ("report.json", "report.html"):
            (tmp_path / name).write_text("...")
        run.finish("mIoU 74.4", 0.744, {})
        assert run.finished is not None
        (tmp_path / lost).write_text("..,")
        assert run.finished is None
        (tmp_path / lost).unlink()
        assert run.finished is None
    path = tmp_path / "finished.json"
    path.write_text(path.read_text().replace("74.4", "75.4"))
    (tmp_path / lost).write_text("...")
    assert run.finished is None


def test_what_earlier_versions_and_accidents_left_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    finished = tmp_path / "finished.json"
    finished.write_text('{"table": "mIoU 74.4", "metric": null}')
    assert Run(tmp_path).finished == {"table": "mIoU 74.4", "metric": None}  # trained weights, and no report
    (tmp_path / "evaluation").mkdir()
    assert Run(tmp_path).finished is None
    for damaged in ("", "[]", '{"table": "mIoU'):
        finished.write_text(damaged)
        assert Run(tmp_path).finished is None


def changed(**settings: Any) -> dict[str, Any]:
    return SETTINGS | settings


def test_other_settings_are_refused_by_key_and_nothing_changes(tmp_path: Path) -> None:
    with claimed_run(tmp_path / "run", SETTINGS) as run:
        (run.directory / "sft").mkdir()
    before = (tmp_path / "run" / "config.yaml").read_bytes()
    other = changed(stage={"sft": SETTINGS["stage"]["sft"] | {"learning_rate": 3e-5}}, classes=["a"], new=True)
    with pytest.raises(ValueError, match="other settings") as refusal, claimed_run(tmp_path / "run", other):
        pass
    assert "stage.sft.learning_rate (1e-05 there, 3e-05 now)" in str(refusal.value)
    assert "classes (['a', 'b'] there, ['a'] now)" in str(refusal.value)
    assert "new (nothing there, True now)" in str(refusal.value)
    assert "seed" not in str(refusal.value)
    assert (tmp_path / "run" / "config.yaml").read_bytes() == before
    assert {p.name for p in (tmp_path / "run").iterdir()} == {"config.yaml", ".lock", "sft"}
    with claimed_run(tmp_path / "run", SETTINGS):
        pass


def test_a_key_that_a_later_version_has_and_leaves_at_null_is_no_other_setting(tmp_path: Path) -> None:
    with claimed_run(tmp_path / "run", SETTINGS) as run:
        (run.directory / "sft").mkdir()
    newer = changed(stage={"sft": SETTINGS["stage"]["sft"] | {"warmth": None}}, later=None)
    with claimed_run(tmp_path / "run", newer):
        pass
    with (
        pytest.raises(ValueError, match=r"later \(nothing there, 0 now\)"),
        claimed_run(tmp_path / "run", changed(later=0)),
    ):
        pass


def test_where_nothing_was_made_yet_other_settings_take_over(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), claimed_run(tmp_path, SETTINGS):
        raise RuntimeError("no such corpus")
    assert {p.name for p in tmp_path.iterdir()} == {"config.yaml", ".lock", "error.txt"}
    with claimed_run(tmp_path, changed(seed=2)):
        pass
    assert read_config(tmp_path) == changed(seed=2)


def test_what_a_run_is_called_and_where_it_lies_may_change(tmp_path: Path) -> None:
    reward = {"threshold": 1e-6}
    stage = {"sft": {"rows": "clip", "module": {}}, "grpo": {"module": {"reward": reward}}}
    named = {"sft": stage["sft"] | {"label": "SFT", "about": "teaches"},
             "grpo": {"module": {"reward": reward | {"label": "adaptive"}}}}  # fmt: skip
    with claimed_run(tmp_path, changed(stage=stage, reward=reward, output_dir="/old/run")) as run:
        run.finish("", None, {})
    before = (tmp_path / "config.yaml").read_bytes()
    renamed = changed(stage=named, reward=reward | {"label": "adaptive"}, paths={"data": "/elsewhere"})
    with claimed_run(tmp_path, renamed) as run:
        assert run.finished is not None
    assert (tmp_path / "config.yaml").read_bytes() == before
    other = changed(stage=named | {"sft": {"rows": "question", "module": {}}}, reward=reward)
    with (
        pytest.raises(ValueError, match=r"stage\.sft\.rows \(clip there, question now\)"),
        claimed_run(tmp_path, other),
    ):
        pass


def test_where_recordings_are_and_how_many_may_be_missing_may_change(tmp_path: Path) -> None:
    # A run that was begun before there were these keys goes on as well.
    with claimed_run(tmp_path / "run", changed(data={"corpus": {"folder": "a"}})) as run:
        (run.directory / "sft").mkdir()
    corpus = {"folder": "a", "audio": "s3://bucket/a"}
    with claimed_run(tmp_path / "run", changed(data={"corpus": corpus, "max_skipped_share": 0.05, "num_workers": 1})):
        pass
    other = changed(data={"corpus": corpus | {"folder": "b"}})
    with pytest.raises(ValueError, match=r"data\.corpus\.folder"), claimed_run(tmp_path / "run", other):
        pass


def test_a_folder_that_is_no_longer_below_the_same_path_counts(tmp_path: Path) -> None:
    with claimed_run(tmp_path, changed(folder="${paths.data}/clips")) as run:
        run.finish("", None, {})
    with claimed_run(tmp_path, changed(folder="/data/clips")):
        pass
    with pytest.raises(ValueError, match="folder"), claimed_run(tmp_path, changed(folder="/other/clips")):
        pass


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("...")
    with pytest.raises(ValueError, match=r"holds thesis.tex but no config.yaml"), claimed_run(tmp_path, SETTINGS):
        pass
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_run_that_was_killed_while_it_wrote_its_settings_goes_on(tmp_path: Path) -> None:
    (tmp_path / ".config.yaml.k3j_x81a.tmp").write_text("seed: 1")
    with claimed_run(tmp_path, SETTINGS):
        assert {p.name for p in tmp_path.iterdir()} == {"config.yaml", ".lock"}


def test_an_error_leaves_its_traceback_until_the_next_attempt(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), claimed_run(tmp_path / "run", SETTINGS):
        raise RuntimeError("out of luck")
    assert 'raise RuntimeError("out of luck")' in (tmp_path / "run" / "error.txt").read_text()
    with claimed_run(tmp_path / "run", SETTINGS):
        assert not (tmp_path / "run" / "error.txt").exists()


def test_only_rank_zero_claims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    with claimed_run(tmp_path / "run", SETTINGS) as run:
        assert run.directory == tmp_path / "run"
    assert list(tmp_path.iterdir()) == []


def _hold(directory: Path, ready: Any, done: Any) -> None:
    with claimed_run(directory, SETTINGS):
        ready.set()
        done.wait(30)


def test_a_second_process_is_refused_and_a_killed_one_blocks_nobody(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    ready, done = context.Event(), context.Event()
    process = context.Process(target=_hold, args=(tmp_path / "run", ready, done))
    process.start()
    assert ready.wait(30)
    with pytest.raises(ValueError, match="another process is running"), claimed_run(tmp_path / "run", SETTINGS):
        pass
    assert not (tmp_path / "run" / "error.txt").exists()
    process.kill()
    process.join()
    with claimed_run(tmp_path / "run", SETTINGS) as run:
        run.finish("", None, {})
    assert json.loads((tmp_path / "run" / "finished.json").read_text())["metric"] is None
