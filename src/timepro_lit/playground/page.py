"""The page on which a model is tried, and the only door to Gradio; what it does is in `asking`.

Texts of models and names of files go into components that show them as they are, never into Markdown or HTML.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from timepro_lit.events.labels import FORMATS
from timepro_lit.playground.asking import (
    COLUMNS,
    Asked,
    Limits,
    Model,
    ask,
    heard_text,
    notes_of,
    rows,
    segment,
    sentence,
    write_files,
)

_CLEAN_EVERY_S, _KEPT_S = 600, 3600
_SESSIONS = 100
"""Visitors whose last clip is kept in memory, to play segments of."""
_POLICY = (
    "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; connect-src 'self' data: blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
_CSS = """
.gradio-container { width: 100%; max-width: 1200px !important; margin: 0 auto; }
.timeline img { background: white; padding-top: 2.6rem; }
.table .selection-button { display: none; }
@media (max-width: 640px) {
  .timeline .image-container { overflow-x: auto; }
  .timeline .image-container > button { justify-content: flex-start; }
  .timeline img { min-width: 640px; }
}
"""
_ABOUT = """# When does it happen?
Choose a clip, ask, and see when each sound happens. Choose a row of the answer to hear it.
"""


def launched(page: gr.Blocks, host: str, port: int, max_mb: float, max_waiting: int) -> None:
    """Start to serve, in threads of its own."""
    logging.getLogger("httpx").setLevel(logging.WARNING)  # Gradio looks whether its own page is there
    page.queue(max_size=max_waiting, default_concurrency_limit=1, api_open=False)
    page.launch(
        server_name=host,
        server_port=port,
        max_file_size=int(max_mb * 1e6),
        share=False,
        inbrowser=False,
        quiet=True,
        prevent_thread_lock=True,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        enable_monitoring=False,
        run_history=False,
        footer_links=[],
        state_session_capacity=_SESSIONS,
        app_kwargs={"middleware": [Middleware(_Policy)]},
        theme=gr.themes.Soft(font=["system-ui", "sans-serif"], font_mono=["system-ui", "sans-serif"]),
        css=_CSS,
    )


def built(models: Sequence[Model], limits: Limits, folder: Path) -> gr.Blocks:
    """The page; its files go into `folder`."""
    tasks = models[0].listener.tasks
    with gr.Blocks(title="timepro_lit", analytics_enabled=False, delete_cache=(_CLEAN_EVERY_S, _KEPT_S)) as page:
        gr.Markdown(_ABOUT)
        with gr.Row():
            with gr.Column():
                audio = gr.Audio(
                    label="Recording", type="filepath", sources=["upload", "microphone"], buttons=[], editable=False
                )
            with gr.Column():
                choices = [(task.title, name) for name, task in tasks.items()]
                task = gr.Dropdown(choices, value=choices[0][1], label="Task")
                query = gr.Textbox(
                    label="What to listen for, one sound a line",
                    placeholder="a dog barks",
                    lines=2,
                    max_lines=limits.max_queries,
                    visible=tasks[choices[0][1]].takes_query,
                )
                button = gr.Button("Ask", variant="primary")
        message = gr.Textbox(label="Message", visible=False, interactive=False, elem_classes="message")
        with gr.Row():
            panels = [_Panel(model.name) for model in models]

        def answered(path: str | None, task: str, text: str) -> list[Any]:
            return _answered(models, limits, folder, None if path is None else Path(path), task, text)

        task.change(lambda name: gr.update(visible=tasks[name].takes_query), task, query, api_visibility="private")
        outputs = [message, *(part for panel in panels for part in panel.parts)]
        gr.on(
            [button.click, query.submit],
            answered,
            [audio, task, query],
            outputs,
            api_visibility="private",
            concurrency_id="models",
        )
    return page


class _Panel:
    """One model's answer."""

    def __init__(self, name: str) -> None:
        self.asked = gr.State(None, time_to_live=_KEPT_S)
        with gr.Column(visible=False, min_width=320) as self.column:
            self.picture = gr.Image(label=name, type="filepath", interactive=False, buttons=["fullscreen"],
                                    elem_classes="timeline")  # fmt: skip
            self.table = gr.Dataframe(
                headers=list(COLUMNS), datatype="str", type="array", interactive=False, wrap=True, buttons=[],
                label=f"Answer of {name}, in seconds",
                elem_classes="table", show_label=True, column_widths=["18%", "18%", "36%", "28%"],
            )  # fmt: skip
            self.player = gr.Audio(label="Choose a row to hear it", interactive=False, buttons=[], visible=False)
            gr.Markdown("Labels for other programs")
            with gr.Row():
                self.files = [gr.DownloadButton(chosen.title, size="sm", min_width=70) for chosen in FORMATS.values()]
        self.table.select(_heard, self.asked, self.player, api_visibility="private")

    @property
    def parts(self) -> list[Any]:
        """In the order of `_panel_values`."""
        return [self.asked, self.column, self.picture, self.table, self.player, *self.files]


def _answered(
    models: Sequence[Model], limits: Limits, folder: Path, path: Path | None, task: str, text: str
) -> list[Any]:
    """A value for the message and for every part of every panel."""
    values, notes = [], []
    for model in models:
        try:
            asked = ask(model, task, path, text, limits)
        except (ValueError, OSError) as error:
            notes.append((model.name, [sentence(error, path)]))
            values += _panel_values(None, [])
        else:
            notes.append((model.name, asked.notes))
            values += _panel_values(asked, write_files(asked, folder))
    said = notes_of(notes)
    return [gr.update(value=said, visible=bool(said)), *values]


def _panel_values(asked: Asked | None, files: Sequence[Path]) -> list[Any]:
    if asked is None:
        return [
            None,
            gr.update(visible=False),
            None,
            None,
            gr.update(value=None, visible=False),
            *([None] * len(FORMATS)),
        ]
    picture, *labels = map(str, files)
    return [asked, gr.update(visible=True), picture, rows(asked), gr.update(value=None, visible=False), *labels]


def _heard(asked: Asked | None, event: gr.SelectData) -> Any:
    try:
        # By its cells and not by its number: the visitor may have sorted the table.
        if asked is None:
            raise ValueError("nothing was asked yet")
        row = rows(asked).index([str(cell) for cell in event.row_value])
        return gr.update(value=segment(asked, row), label=heard_text(asked, row), visible=True)
    except ValueError:
        return gr.update(value=None, visible=False)


class _Policy:
    """Has browsers load and call nothing but this page, whatever the page's own files say."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_with_policy(message: Any) -> None:
            if message["type"] == "http.response.start":
                extra = {"content-security-policy": _POLICY, "x-content-type-options": "nosniff"}
                given = [(name.encode(), value.encode()) for name, value in extra.items()]
                message = {**message, "headers": [*message.get("headers", []), *given]}
            await send(message)

        await self.app(scope, receive, send_with_policy)
