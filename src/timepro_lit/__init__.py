"""Teach large audio-language models when things happen.

>>> import timepro_lit                                              # doctest: +SKIP
>>> model = timepro_lit.load("outputs/demo")                        # doctest: +SKIP
>>> model.ground("street.wav", "a dog barks")                       # doctest: +SKIP
(Event(onset=1.2, offset=3.48, label='a dog barks'),)
>>> from timepro_lit import Caption, Detect, Ground                 # doctest: +SKIP
>>> model.ask("street.wav", [Ground("a dog barks"), Detect(), Caption()])  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from timepro_lit.inference.loading import load
    from timepro_lit.inference.question import Caption, Detect, Ground

__all__ = ["Caption", "Detect", "Ground", "load"]


def __getattr__(name: str) -> Any:
    # On first use, so that importing a pure room of the package does not load torch.
    if name == "load":
        from timepro_lit.inference.loading import load

        return load
    if name in ("Caption", "Detect", "Ground"):
        from timepro_lit.inference import question

        return getattr(question, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
