"""Which streams lie in a file, each to be read to its end: by what the file begins with, whatever it is called."""

from __future__ import annotations

import os

from timepro_lit.data.containers.chunked import aiff, au, caf, nist, w64, wav
from timepro_lit.data.containers.flac import flac
from timepro_lit.data.containers.mp3 import id3_bytes, mp3
from timepro_lit.data.containers.ogg import ogg
from timepro_lit.data.containers.spliced import Spliced, Stream

_CHUNKED = {
    b"RIFF": wav, b"RIFX": wav, b"RF64": wav, b"riff": w64, b"FORM": aiff, b"caff": caf, b".snd": au, b"dns.": au,
    b"NIST": nist,
}  # fmt: skip


def streams_in(stream: Stream, name: str, start: int, head: bytes) -> list[Stream]:
    """What a decoder has to read, one behind the other, for all that a file holds, by its `beginning`.

    Raises AudioError for a file that is cut off, or that a decoder would not read as far as it goes.
    """
    num_bytes, title = stream.seek(0, os.SEEK_END), head[:4]
    streams: list[Stream] = [stream]
    if start and (title in _CHUNKED or title in (b"OggS", b"fLaC")):
        return streams_in(Spliced(stream, [range(start, num_bytes)]), name, 0, head)
    if title == b"OggS":
        streams = ogg(stream, num_bytes, name)
    elif title == b"fLaC":
        streams = flac(stream, num_bytes, name)
    elif title in _CHUNKED:
        streams = [_CHUNKED[title](stream, num_bytes, name)]
    elif head[:1] == b"\xff" or start:
        streams = [mp3(stream, num_bytes, name, start)]
    stream.seek(0)
    return streams


def beginning(stream: Stream) -> tuple[int, bytes]:
    """Where a file begins, behind whatever ID3 tags, and its first 16 bytes there."""
    start = 0
    while True:
        stream.seek(start)
        head = stream.read(16)
        if head[:3] != b"ID3" or len(head) < 10:
            return start, head
        start += id3_bytes(head)
