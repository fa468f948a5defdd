"""The page in a real browser, with real clicks: what is shown, heard and downloaded, and that nothing else happens."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile

from timepro_lit.events.labels import FORMATS, Answered, Labels
from timepro_lit.playground.asking import Limits, Model
from timepro_lit.playground.serving import check_installed, listening_port
from timepro_lit.records import Event

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HOSTILE = '<img src=x onerror="alert(1)"><script>alert(2)</script> [a](javascript:alert(3)) ${alert(4)} $x^2$'
SENTENCE = "the page needs the extra app"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        try:  # that of the system, or what `playwright install chromium` has brought
            opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        except api.Error as error:
            pytest.skip(f"there is no Chromium: {error}")
        yield opened


@pytest.fixture
def shown(browser: Any, tmp_path: Path) -> Iterator[Callable[[str], Any]]:
    """Opens an address; at the end nothing was loaded from elsewhere, no script failed and no dialog was opened."""
    context = browser.new_context(accept_downloads=True)
    asked_for: list[str] = []
    faults: list[str] = []
    addresses: list[str] = []

    def opened(address: str) -> Any:
        addresses.append(address)
        page = context.new_page()
        page.on("request", lambda request: asked_for.append(request.url))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("dialog", lambda dialog: (faults.append(dialog.message), dialog.dismiss()))
        page.goto(address)
        page.get_by_role("button", name="Ask").wait_for()
        return page

    yield opened
    context.close()
    assert faults == []
    assert [url for url in asked_for if not url.startswith((*addresses, "data:", "blob:"))] == []


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """Shows models on a page of this process; returns its address."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "files"))
    monkeypatch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
    pytest.importorskip("gradio")
    from timepro_lit.playground.page import built, launched

    (tmp_path / "files").mkdir()
    pages = []

    def of(*models: Model, max_mb: float = 5.0, max_waiting: int = 4) -> str:
        port = listening_port("127.0.0.1", 0)
        pages.append(built(models, Limits(5.0, 4), tmp_path / "files"))
        launched(pages[-1], "127.0.0.1", port, max_mb, max_waiting)
        return f"http://127.0.0.1:{port}"

    yield of
    for page in pages:
        page.close(verbose=False)


def upload(page: Any, clip: Path) -> None:
    page.locator("input[type=file]").first.set_input_files(clip)
    page.get_by_label("Clear").first.wait_for()


def row(page: Any, text: str) -> Any:
    """A cell of an answer's table that is seen."""
    return page.locator("[data-testid^=cell-]:visible", has_text=text).first


def test_without_gradio_it_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("timepro_lit.playground.serving.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=SENTENCE):
        check_installed()


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=rf"cannot listen at 127\.0\.0\.1, port {port}: Address already in use"):
            listening_port("127.0.0.1", port)
    with pytest.raises(OSError, match=r"cannot listen at 127\.0\.0\.1, port 70000"):
        listening_port("127.0.0.1", 70_000)


@pytest.mark.slow
def test_queries_are_asked_rows_are_heard_and_labels_downloaded(
    parrot: Any, clip: Path, served: Any, shown: Any
) -> None:
    model, other = parrot(Event(1.0, 9.0, ""), Event(5.0, 6.0, "")), parrot(Event(0.25, 0.75, ""), name="other")
    page = shown(served(model, other))
    upload(page, clip)
    page.get_by_label("What to listen for").fill("a dog barks\na bell")
    page.get_by_role("button", name="Ask").click()
    page.locator(".timeline img").nth(1).wait_for()
    assert page.locator(".timeline img").nth(0).evaluate("picture => picture.naturalWidth") == 1200
    row(page, "0.25").wait_for()
    assert [row(page, text).is_visible() for text in ("1.00", "a bell", "outside")] == [True] * 3
    row(page, "a bell").click()
    page.get_by_text("1.00 to 2.00 s: a bell").wait_for()
    row(page, "outside").click()
    page.get_by_text("1.00 to 2.00 s: a bell").wait_for(state="hidden")
    row(page, "0.25").click()
    page.get_by_text("0.25 to 0.75 s: a dog barks").wait_for()
    for format in FORMATS.values():
        with page.expect_download() as download:
            page.get_by_role("link", name=format.title).or_(page.get_by_role("button", name=format.title)).first.click()
        text = Path(download.value.path()).read_text()
        assert download.value.suggested_filename == f"street.wav{format.suffix}"
        assert "a dog barks" in text and "a bell" in text


@pytest.mark.slow
def test_nothing_of_a_model_a_query_or_a_name_is_interpreted(
    parrot: Any, clip: Path, served: Any, shown: Any, tmp_path: Path
) -> None:
    named = tmp_path / "<img src=x onerror=alert(5)>.wav"
    shutil.copy(clip, named)
    page = shown(served(parrot(Event(0.5, 1.0, HOSTILE), name=HOSTILE), parrot(name=HOSTILE, readable=False)))
    upload(page, named)
    for task, query in (("ag", HOSTILE), ("dac", "")):
        if task == "dac":
            page.get_by_label("Task").click()
            page.get_by_role("option", name="Dense audio captioning").click()
            page.get_by_label("What to listen for").wait_for(state="hidden")
        else:
            page.get_by_label("What to listen for").fill(query)
        page.get_by_role("button", name="Ask").click()
        row(page, HOSTILE).wait_for()
        row(page, HOSTILE).click()
        page.get_by_text("0.50 to 1.00 s: <img src=x").wait_for()
        assert "could not be read" in page.get_by_label("Message").input_value()
        assert page.locator("img[src='x'], a[href^=javascript], script:text('alert'), .katex").count() == 0


@pytest.mark.slow
def test_one_visitor_is_answered_at_a_time_and_few_may_wait(parrot: Any, clip: Path, served: Any, shown: Any) -> None:
    model, go_on, at_work, most = parrot(Event(0.5, 1.0, "a bell")), threading.Event(), [], []
    answers = model.listener.answers

    def slowly(*arguments: Any, **how: Any) -> Iterator[Any]:
        at_work.append(1)
        most.append(len(at_work))
        go_on.wait(60)
        yield from answers(*arguments, **how)
        at_work.pop()

    model.listener.answers = slowly
    address = served(model, max_waiting=1)
    first, second, third = (shown(address) for _ in range(3))
    for page in (first, second, third):
        upload(page, clip)
        page.get_by_label("What to listen for").fill("a bell")
        page.get_by_role("button", name="Ask").click()
        page.wait_for_timeout(1000)
    third.get_by_text("currently busy").first.wait_for()
    go_on.set()
    for page in (first, second):
        row(page, "0.50").wait_for()
    assert most == [1, 1]


@pytest.mark.slow
def test_what_cannot_be_asked_is_a_sentence_and_the_page_lives_on(
    parrot: Any, clip: Path, served: Any, shown: Any, tmp_path: Path
) -> None:
    broken, long, large = (tmp_path / name for name in ("broken.wav", "long.wav", "large.wav"))
    broken.write_bytes(b"<html>")
    soundfile.write(long, [0.1] * 16_000 * 6, 16_000)
    soundfile.write(large, [0.1] * 48_000 * 25, 48_000, subtype="PCM_32")
    page = shown(served(parrot(Event(0.5, 1.0, "a bell")), max_mb=1.0))
    message, ask = page.get_by_label("Message"), page.get_by_role("button", name="Ask")

    def says(pattern: str) -> None:
        message.wait_for()
        page.wait_for_function(
            "pattern => new RegExp(pattern).test(document.querySelector('.message textarea, .message input').value)",
            arg=pattern,
        )

    ask.click()
    says("Choose a recording")
    for clip_, query, sentence in (
        (clip, " ", "Write what to listen for"),
        (long, "a bell", "long.wav is longer than the 5 s that are taken here"),
        (broken, "a bell", "^broken.wav"),
    ):
        upload(page, clip_)
        page.get_by_label("What to listen for").fill(query)
        ask.click()
        says(sentence)
        page.get_by_label("Clear").first.click()
    page.locator("input[type=file]").first.set_input_files(large)
    page.get_by_text(re.compile("maximum|too large|exceeds", re.IGNORECASE)).first.wait_for()
    page.reload()
    upload(page, clip)
    page.get_by_label("What to listen for").fill("a bell")
    ask.click()
    row(page, "0.50").wait_for()
    assert message.is_hidden()


@pytest.mark.slow
def test_a_browser_reads_our_subtitles(browser: Any) -> None:
    labels = Labels("a.wav", 9.0, (Answered("dac", None, (Event(0.5, 1.0, HOSTILE), Event(3.25, 4.0, "狗 --> &"))),))
    page = browser.new_page()
    cues = page.evaluate(
        """text => new Promise(done => {
            const video = document.createElement("video"), track = document.createElement("track");
            track.onload = () => done([...track.track.cues].map(
                cue => [cue.startTime, cue.endTime, cue.getCueAsHTML().textContent]));
            track.src = URL.createObjectURL(new Blob([text], {type: "text/vtt"}));
            video.append(track); document.body.append(video); track.track.mode = "hidden";
        })""",
        FORMATS["webvtt"].text(labels),
    )
    page.close()
    assert cues == [[0.5, 1.0, HOSTILE], [3.25, 4.0, "狗 --> &"]]


@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1400, "light")])
def test_a_trained_model_answers_and_no_file_stays(
    shared: Path, clip: Path, browser: Any, shown: Any, tmp_path: Path, width: int, scheme: str
) -> None:
    pytest.importorskip("gradio")
    command = [sys.executable, "-m", "timepro_lit.app", f"checkpoint={shared / 'run'}", "port=0", "device=cpu"]
    environment = os.environ | {"TMPDIR": str(tmp_path / "tmp"), "HOME": str(tmp_path / "home")}
    for folder in ("tmp", "home"):
        (tmp_path / folder).mkdir()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=environment)
    try:
        address = next(line.split()[2] for line in process.stdout or () if line.startswith("the page: "))
        page = shown(address)
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        upload(page, clip)
        page.get_by_label("What to listen for").fill("a dog barks")
        page.get_by_role("button", name="Ask").click()
        page.locator(".timeline img").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert list((tmp_path / "tmp").rglob("*.wav"))
        page.close()
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 143
    deadline = time.monotonic() + 5
    while list((tmp_path / "tmp").iterdir()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [path.name for path in (tmp_path / "tmp").iterdir()] == []
    of_page = [path for path in (tmp_path / "home").rglob("*") if path.is_file() and "matplotlib" not in path.parts]
    assert of_page == []  # matplotlib keeps a list of the fonts
    assert {path.name for path in tmp_path.iterdir()} == {"tmp", "home", clip.name}
