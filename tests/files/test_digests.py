from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import time
from pathlib import Path
from typing import Any

import pytest

from timepro_lit.files.digests import cached_digests, stamps_of

OLD_NS = time.time_ns() - 3600 * 10**9


def write(path: Path, text: str, changed_ns: int = OLD_NS) -> None:
    path.write_text(text)
    os.utime(path, ns=(changed_ns, changed_ns))


def digests(folder: Path, *names: str) -> tuple[dict[str, str], list[str]]:
    """What is found, the text itself in place of a hash, and which files were read for it."""
    read: list[str] = []

    def digest(name: str) -> str:
        read.append(name)
        return (folder / name).read_text()

    stamps = dict(zip(names, stamps_of([folder / name for name in names]), strict=True))
    return cached_digests(folder / "known.json", stamps, digest), sorted(read)


def test_a_file_is_read_once(tmp_path: Path) -> None:
    write(tmp_path / "a", "one")
    write(tmp_path / "b", "two")
    assert digests(tmp_path, "a") == ({"a": "one"}, ["a"])
    assert digests(tmp_path, "a", "b") == ({"a": "one", "b": "two"}, ["b"])
    assert digests(tmp_path, "b", "a") == ({"b": "two", "a": "one"}, [])


@pytest.mark.parametrize(("text", "later_ns"), [("ten", 1), ("three", 0)])
def test_another_time_or_size_is_another_file(text: str, later_ns: int, tmp_path: Path) -> None:
    write(tmp_path / "a", "one")
    digests(tmp_path, "a")
    write(tmp_path / "a", text, OLD_NS + later_ns)
    assert digests(tmp_path, "a") == ({"a": text}, ["a"])


def test_a_file_of_this_very_moment_is_not_trusted_yet(tmp_path: Path) -> None:
    """It could be written again within the same tick of the file system's clock."""
    (tmp_path / "a").write_text("one")
    for _ in range(2):
        assert digests(tmp_path, "a") == ({"a": "one"}, ["a"])


def test_another_content_under_the_old_time_is_another_file(tmp_path: Path) -> None:
    """As archives are unpacked whose times are all alike."""
    write(tmp_path / "a", "one")
    digests(tmp_path, "a")
    write(tmp_path / "a", "two")
    assert digests(tmp_path, "a") == ({"a": "two"}, ["a"])


@pytest.mark.parametrize("kept", ["", "[]", '{"a": 3}', '{"a": [[3, 4], "nine"]', "\x00"])
def test_a_damaged_cache_is_made_anew(kept: str, tmp_path: Path) -> None:
    write(tmp_path / "a", "one")
    (tmp_path / "known.json").write_text(kept)
    assert digests(tmp_path, "a") == ({"a": "one"}, ["a"])
    assert digests(tmp_path, "a") == ({"a": "one"}, [])
    cache = tmp_path / "known.json"
    assert list(json.loads(cache.read_text())["known"]) == ["a"]
    cache.write_text(cache.read_text().replace('"one"', '"ond"'))
    assert digests(tmp_path, "a") == ({"a": "one"}, ["a"])


def test_without_a_place_for_the_cache_files_are_read_each_time(tmp_path: Path) -> None:
    write(tmp_path / "a", "one")
    (tmp_path / "file").write_text("")
    stamps = {"a": (3, OLD_NS, OLD_NS)}
    found = [cached_digests(tmp_path / "file" / "known.json", stamps, lambda name: "one") for _ in range(2)]
    assert found == [{"a": "one"}, {"a": "one"}]


def test_what_is_not_there_has_no_stamp(tmp_path: Path) -> None:
    write(tmp_path / "a", "one")
    assert stamps_of([tmp_path / "b", tmp_path / "a", tmp_path / "a" / "b"])[::2] == [None, None]


def _look(folder: Path, start: Any, results: Any) -> None:
    start.wait(30)
    results.put(digests(folder, *(f"{n}" for n in range(50)))[1])


def test_of_several_processes_one_reads(tmp_path: Path) -> None:
    for n in range(50):
        write(tmp_path / f"{n}", f"text {n}")
    context = multiprocessing.get_context("fork")
    start, results = context.Event(), context.Queue()
    processes = [context.Process(target=_look, args=(tmp_path, start, results)) for _ in range(4)]
    for process in processes:
        process.start()
    start.set()
    assert sorted(len(results.get(timeout=30)) for _ in processes) == [0, 0, 0, 50]


def test_each_node_reads_its_own_copy_once(tmp_path: Path) -> None:
    """Copies on the disks of nodes have one name, and times of their own."""
    read: list[int] = []
    for node in (1, 2, 1, 2, 1):
        stamps = {"a": (3, OLD_NS + node, OLD_NS)}
        cached_digests(tmp_path / "known.json", stamps, lambda _, node=node: read.append(node) or "one")
    assert read == [1, 2]


def test_what_an_earlier_version_knew_by_fewer_times_is_read_again(tmp_path: Path) -> None:
    write(tmp_path / "a", "one")
    for known in ({"a": [[[3, OLD_NS], "as before"]]}, {"a": [[3, OLD_NS], "as before"]}):
        text = json.dumps(known)
        seal = hashlib.sha256(text.encode()).hexdigest()
        (tmp_path / "known.json").write_text(f'{{"sha256": "{seal}", "known": {text}}}')
        assert digests(tmp_path, "a") == ({"a": "one"}, ["a"])
        assert digests(tmp_path, "a") == ({"a": "one"}, [])
