from __future__ import annotations

import base64
import hashlib
import json
import re
import tarfile
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import soundfile
import torch
from torch import Tensor

from timepro_lit.data import audio as data_audio
from timepro_lit.figures.clips import NUM_HUES
from timepro_lit.figures.curves import NUM_COLORS
from timepro_lit.figures.run_report import (
    load_clips,
    read_evaluations,
    read_metrics,
    select_audio,
    shown_tasks,
    write_report,
)

EVIL = "</pre><script>alert(1)</script><img src=x onerror=alert(2)> \" ' & \0\x1b[31m\u202e\u2028\ud800"
VOID = {"meta", "img", "input", "br"}
TASKS: dict[str, dict[str, Any]] = {
    "ag": {
        "title": "Audio grounding", "takes_query": True, "classes": [], "headline": ["mIoU"], "watched": ["mIoU"],
        "clip_score": "IoU",
    },
    "sed": {
        "title": "Sound event detection", "takes_query": False, "classes": ["dog", "bell"], "headline": ["Eb-F1"],
        "watched": ["Eb-F1"], "clip_score": "Eb-F1",
    },
    "dac": {
        "title": "Dense audio captioning", "takes_query": False, "classes": [], "headline": ["Eb-F1"],
        "watched": ["Eb-F1"], "clip_score": "Eb-F1",
    },
}  # fmt: skip


class Outline(HTMLParser):
    """Tags, attributes and script texts of a page; fails on tags that do not nest."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


def read_audio(path: Path) -> Tensor:
    samples, rate = soundfile.read(path, dtype="float32")
    assert rate == 16_000
    return torch.from_numpy(samples)


def prediction(task: str, audio: str, text: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"{audio}-{task}", "task": task, "audio": audio, "duration_s": 2.0,
        "query": "a dog barks" if task == "ag" else None, "prompt": "When?", "text": text, "readable": True,
        "repairs": [], "events": [[0.5, 1.0, "dog"]], "reference": [[0.4, 1.1, "dog"]], "scores": {"IoU": 70.0},
    } | changes  # fmt: skip


def write_predictions(run_dir: Path, system: str, records: list[dict[str, Any]]) -> None:
    folder = run_dir / "evaluation" / system
    folder.mkdir(parents=True)
    (folder / "predictions.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records), encoding="utf-8")


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    row = {"ag": {"mIoU": 50.0}, "parse_rate": 99.0}
    report = {
        "run": {"name": "demo", "scale": "embedded", "model": "tiny_base", "seeds": [1], "code": "timepro_lit 0.1.0"},
        "tasks": TASKS,
        "rows": {
            "zero_shot": {"name": "Zero-shot", "short": "Zero-shot", "about": "is the base model"},
            "sft": {"name": "SFT without timestamps", "short": "SFT", "about": "teaches the model"},
        },
        "scores": {"zero_shot": row, "sft": row},
        "intervals": {"sft - zero_shot": {"ag": {"mIoU": [1.0, 2.0]}}},
        "n_test": 4,
    }
    (tmp_path / "report.json").write_text(json.dumps(report))
    soundfile.write(tmp_path / "one.flac", torch.rand(32_000).numpy(), 16_000)
    (tmp_path / "sft").mkdir()
    (tmp_path / "sft" / "metrics.csv").write_text("epoch,step,train/loss,val/ag/mIoU\n0,1,2.5,\n0,2,1.5,\n0,2,,40\n")
    return tmp_path


def test_figures_and_times_that_are_null_are_not_drawn(run_dir: Path) -> None:
    path = run_dir / "report.json"
    report = json.loads(path.read_text())
    report["scores"]["sft"] = {"ag": {"mIoU": None}}
    report["intervals"]["sft"] = {"ag": {"mIoU": [None, None]}}
    path.write_text(json.dumps(report))
    endless = prediction("ag", "one.flac", "[1.0, 1e999]", events=[[1.0, None, "dog"]], scores={"IoU": 0.0})
    write_predictions(run_dir, "sft", [endless])
    page = write_report(run_dir, read_audio).read_text(encoding="utf-8")
    assert "[1.0, 1e999]" in page and not re.search(r"\bnan\b", re.sub(r"base64,[^\"]*", "", page))


def test_the_page_stands_alone_and_shows_every_part(run_dir: Path) -> None:
    for system in ("zero_shot", "sft"):
        write_predictions(run_dir, system, [prediction(task, "one.flac", "answer") for task in ("ag", "sed", "dac")])
    path = write_report(run_dir, read_audio)
    assert path == run_dir / "report.html"
    page = path.read_text(encoding="utf-8")
    outline = Outline(page)
    assert [outline.count(tag) for tag in ("table", "svg", "audio", "img", "article", "script")] == [1, 2, 1, 1, 1, 1]
    links = [value for _, attrs in outline.tags for key, value in attrs.items() if key in ("src", "href")]
    assert {link.split(",")[0] for link in links if link} == {"data:audio/flac;base64", "data:image/png;base64"}
    assert not re.search(r"https?://|@import|url\(", page)
    text = "".join(outline.texts)
    assert "▲" in text
    assert "demo, scale embedded, tiny_base, seed 1, timepro_lit 0.1.0" in text
    assert "Zero-shot is the base model. SFT teaches the model." in text


def test_stages_behind_the_rows_are_told_and_drawn(run_dir: Path) -> None:
    """A table of the last row alone: its page still shows how it came about."""
    path = run_dir / "report.json"
    report = json.loads(path.read_text())
    report["stages"] = {"sft": report["rows"].pop("sft"), "grpo": {"name": "GRPO", "short": "GRPO", "about": "rewards"}}
    path.write_text(json.dumps(report))
    page = write_report(run_dir, read_audio).read_text(encoding="utf-8")
    assert "<b>Zero-shot</b> is the base model. <b>SFT</b> teaches the model. <b>GRPO</b> rewards." in page
    assert "SFT loss" in page


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        (b"step,a\n1,x\n", "could not convert string to float: 'x'"),
        (b"step,a\n1,2,3\n", "more fields than there are columns"),
        (b"step,a\n\xff,1\n", "can't decode byte 0xff"),
        (b"stop,a\n1,2\n", "a row has no step"),
    ],
)
def test_curves_that_are_none_are_named(written: bytes, fault: str, run_dir: Path) -> None:
    (run_dir / "sft" / "metrics.csv").write_bytes(written)
    with pytest.raises(ValueError, match=r"sft/metrics\.csv cannot be read as curves: .*" + re.escape(fault)):
        write_report(run_dir, read_audio)


def test_untrusted_text_stays_text(run_dir: Path) -> None:
    evil = prediction("sed", "one.flac", EVIL, prompt=EVIL, events=[[0.5, 1.0, EVIL]], reference=[[0.4, 1.1, EVIL]])
    evil |= {"scores": {EVIL: 1.0}}
    query = prediction("ag", "one.flac", EVIL, query=EVIL, readable=False, events=[])
    write_predictions(run_dir, "zero_shot", [evil, query])
    page = write_report(run_dir, read_audio, title=EVIL, introduction=EVIL).read_text(encoding="utf-8")
    outline = Outline(page)
    assert outline.count("script") == 1
    assert not any(key.startswith("on") for _, attrs in outline.tags for key in attrs)
    assert not set(page) & set("\0\x1b\u202e\u2028")
    assert "<script>alert(1)</script>" in "".join(outline.texts)
    assert "no events could be read from this answer" in page


def test_only_the_page_s_own_script_may_run(run_dir: Path) -> None:
    page = write_report(run_dir, read_audio).read_text(encoding="utf-8")
    script = page.split("<script>")[1].split("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert (
        f"default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
        in page
    )


def test_rows_without_a_prediction_are_absent(run_dir: Path) -> None:
    write_predictions(run_dir, "sft", [prediction("ag", "one.flac", "a")])
    page = write_report(run_dir, read_audio).read_text(encoding="utf-8")
    assert re.findall(r'<div class="who">([A-Za-z-]+)', page) == ["Reference", "SFT", "seconds"]


def test_a_clip_is_told_without_seeing_it_and_moved_along_by_keys(run_dir: Path) -> None:
    write_predictions(run_dir, "sft", [prediction("sed", "one.flac", "a", reference=[[0.1, 0.2, "dog <b>"]])])
    page = Outline(write_report(run_dir, read_audio).read_text(encoding="utf-8"))
    [tracks] = [attributes for tag, attributes in page.tags if attributes.get("class") == "tracks"]
    assert tracks["tabindex"] == "0" and str(tracks["aria-label"]).startswith("Timelines of one.flac. Arrow keys move")
    [picture] = [attributes["alt"] for tag, attributes in page.tags if tag == "img"]
    assert picture is not None and picture.startswith("Log-mel spectrogram of one.flac, ")
    assert picture.endswith(" seconds, in which are to be heard: dog <b> from 0.10 to 0.20 seconds")
    assert any(attributes.get("aria-label") == "0.10–0.20 s  dog <b>" for _, attributes in page.tags)


def test_clips_in_shards_have_players_and_those_of_buckets_are_not_asked_for(run_dir: Path) -> None:
    shard = run_dir / "audio-00000.tar"
    with tarfile.open(shard, "w") as tar:
        tar.add(run_dir / "one.flac", arcname="a/one.flac")
    places = [
        f"tar://a/one.flac::file://{shard}",
        "tar://a/two.flac::s3://bucket/audio-00000.tar",
        "s3://bucket/3.flac",
    ]
    write_predictions(run_dir, "sft", [prediction("sed", audio, str(i)) for i, audio in enumerate(places)])
    page = write_report(run_dir, data_audio.read_audio).read_text(encoding="utf-8")
    assert page.count("<audio controls") == 1 and page.count("The audio file was not found.") == 2
    assert all(f"<h3>{name}</h3>" in page for name in ("one.flac", "two.flac", "3.flac"))


def test_windows_of_a_recording_are_clips_with_players_of_their_own(run_dir: Path) -> None:
    places = ["one.flac#t=0.0000,1.0000", "one.flac#t=1.0000,2.0000", "gone.flac#t=1.0000,2.0000"]
    write_predictions(run_dir, "sft", [prediction("sed", place, str(i)) for i, place in enumerate(places)])
    heard: list[str] = []

    def read(place: str) -> Tensor:
        heard.append(Path(place).name)
        return data_audio.read_place(place)

    page = write_report(run_dir, read).read_text(encoding="utf-8")
    assert sorted(heard) == places[:2]
    assert all(f"<h3>{name} s</h3>" in page for name in ("one.flac, 0 to 1", "one.flac, 1 to 2", "gone.flac, 1 to 2"))
    sounds = re.findall(r'src="data:audio/wav;base64,([^"]+)"', page)
    assert len(set(sounds)) == 2
    assert all(len(base64.b64decode(sound)) == pytest.approx(16_000, abs=100) for sound in sounds)


def test_odd_events_are_told_instead_of_drawn(run_dir: Path) -> None:
    odd = [[1.0, 0.5, "dog"], [float("nan"), 1.0, "dog"], [5.0, 6.0, "dog"]] + [[0.1, 0.2, "dog"]] * 50
    write_predictions(run_dir, "sft", [prediction("sed", "one.flac", "a", events=odd)])
    page = write_report(run_dir, read_audio).read_text(encoding="utf-8")
    assert "not drawn: 3 reversed, empty or outside the clip, 10 more" in page
    assert page.count('<i class="bar') == 41


def test_a_clip_whose_sound_is_gone_keeps_its_timelines(run_dir: Path) -> None:
    write_predictions(run_dir, "sft", [prediction("ag", "gone.flac", "a")])
    outline = Outline(write_report(run_dir, read_audio).read_text(encoding="utf-8"))
    assert [outline.count(tag) for tag in ("audio", "img", "article")] == [0, 0, 1]


def test_a_run_without_evaluation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no report\.json: evaluate the run"):
        write_report(tmp_path, read_audio)
    (tmp_path / "report.json").write_text('{"n_test": 4}')
    with pytest.raises(ValueError, match="the report holds no row"):
        write_report(tmp_path, read_audio)


@pytest.mark.parametrize(
    ("line", "message"),
    [("{", r"predictions\.jsonl:2: not a line of JSON"), ('{"id": "a"}', r":2: the prediction lacks task, audio"),
     ("[1]", r":2: the prediction lacks id")],
)  # fmt: skip
def test_bad_lines_are_named(run_dir: Path, line: str, message: str) -> None:
    write_predictions(run_dir, "sft", [prediction("ag", "one.flac", "a")])
    path = run_dir / "evaluation" / "sft" / "predictions.jsonl"
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(ValueError, match=message):
        read_evaluations(run_dir, ["zero_shot", "sft"])


def test_metrics_are_numbers_without_empty_fields(run_dir: Path) -> None:
    assert read_metrics(run_dir) == {
        "sft": [
            {"epoch": 0.0, "step": 1.0, "train/loss": 2.5},
            {"epoch": 0.0, "step": 2.0, "train/loss": 1.5},
            {"epoch": 0.0, "step": 2.0, "val/ag/mIoU": 40.0},
        ]
    }


def test_clips_are_chosen_by_tasks_in_turn_whatever_was_answered() -> None:
    records = [prediction("ag", f"a{i}.flac", "x") for i in range(20)]
    records += [prediction("sed", f"s{i}.flac", "x") for i in range(20)] + [prediction("dac", "d.flac", "x")]
    chosen = select_audio({"sft": records})
    assert len(set(chosen)) == 12
    assert "d.flac" in chosen
    assert 5 <= sum(name.startswith("s") for name in chosen) <= 7
    other = [record | {"text": "y", "readable": False} for record in reversed(records)]
    assert select_audio({"zero_shot": other}) == chosen
    both = [prediction(task, "b.flac", "x") for task in ("ag", "dac")]
    assert select_audio({"sft": records + both})[0] == "b.flac"


def test_many_questions_about_one_clip_are_cut_and_counted(run_dir: Path) -> None:
    records = [prediction("sed", "one.flac", "x")] + [prediction("ag", "one.flac", "x", id=str(i)) for i in range(5)]
    shown = shown_tasks(TASKS, {"sft": records})
    [clip] = load_clips(run_dir, {"sft": records}, read_audio, {"sft": "SFT"}, shown, select_audio({"sft": records}))
    titles = ["Audio grounding"] * 3 + ["Sound event detection"]
    assert [question.task.title for question in clip.questions] == titles
    assert clip.num_left_out == 2


def test_questions_of_tasks_that_the_report_does_not_name_are_left_out(run_dir: Path) -> None:
    records = [prediction("count", "one.flac", "3"), prediction("sed", "one.flac", "x")]
    shown = shown_tasks(TASKS, {"sft": records})
    [clip] = load_clips(run_dir, {"sft": records}, read_audio, {"sft": "SFT"}, shown, select_audio({"sft": records}))
    assert [question.task.title for question in clip.questions] == ["Sound event detection"]
    assert load_clips(run_dir, {"sft": records[:1]}, read_audio, {"sft": "SFT"}, shown, []) == []


def test_classes_that_occur_have_colours_of_their_own_and_every_colour_is_in_the_style_sheet(run_dir: Path) -> None:
    records = [prediction("sed", "one.flac", "x", events=[[0.5, 1.0, "dog"], [0.2, 0.4, "cow"]])]
    assert shown_tasks(TASKS, {"sft": records})["sed"].classes == ("dog",)
    write_predictions(run_dir, "sft", [*records, prediction("dac", "one.flac", "x")])
    page = write_report(run_dir, read_audio).read_text(encoding="utf-8")
    assert re.findall(r'<i class="bar h(\w+)"', page) == ["0", "none", "0", "2", "2"]
    assert all(f".h{color} {{" in page for color in (*range(NUM_HUES), "none"))
    assert all(f".s{color} {{" in page for color in range(NUM_COLORS))


def test_twelve_long_clips_stay_below_eight_megabytes(run_dir: Path) -> None:
    noise = torch.rand(480_000) * 1.8 - 0.9
    records = []
    for i in range(14):
        soundfile.write(run_dir / f"{i}.wav", noise.numpy(), 16_000)
        records.append(prediction("dac", f"{i}.wav", "x" * 5000, duration_s=30.0))
    write_predictions(run_dir, "sft", records)
    path = write_report(run_dir, read_audio)
    assert 1_000_000 < path.stat().st_size < 8_000_000
    assert path.read_text().count("data:audio/wav") == 12
