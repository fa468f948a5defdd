"""Which streams lie in a file, each to be read to its end: by what the file begins with, whatever it is called."""

from __future__ import annotations

import os

from timepro_lit.data.containers.chunked import aiff, au, caf, nist, w64, wav
from timepro_lit.data.containers.flac import flac
from timepro_lit.data.containers.mp3 import id3_bytes, mp3
from timepro_lit.data.containers.ogg import ogg
from timepro_lit.data.containers.spliced import Spliced, Stream


def streams_in(stream: Stream, name: str) -> list[Stream | Spliced]:
    """What a decoder has to read, one behind the other, for all that a file holds.

    Raises AudioError for a file that is cut off, or that a decoder would not read as far as it goes.
    """
    num_bytes = stream.seek(0, os.SEEK_END)
    head = beginning(stream)
    streams: list[Stream | Spliced] = [stream]
    if head[:4] == b"OggS":
        streams = ogg(stream, num_bytes, name)
    elif head[:4] == b"fLaC":
        streams = flac(stream, num_bytes, name)
    elif head[:4] in (b"RIFF", b"RIFX", b"RF64"):
        streams = [wav(stream, num_bytes, name)]
    elif head[:1] == b"\xff" or _begins_with_a_tag(stream):
        streams = [mp3(stream, num_bytes, name)]
    elif judge := {b"riff": w64, b"FORM": aiff, b"caff": caf, b".snd": au, b"dns.": au, b"NIST": nist}.get(head[:4]):
        judge(stream, num_bytes, name)
    stream.seek(0)
    return streams


def beginning(stream: Stream) -> bytes:
    """The first 16 bytes behind whatever ID3 tags a file begins with."""
    place = 0
    while True:
        stream.seek(place)
        head = stream.read(16)
        if head[:3] != b"ID3" or len(head) < 10:
            return head
        place += id3_bytes(head)


def _begins_with_a_tag(stream: Stream) -> bool:
    stream.seek(0)
    return stream.read(3) == b"ID3"
