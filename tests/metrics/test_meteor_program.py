"""The real program: one start (about 10 s) for all of these."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path

import pycocoevalcap.meteor.meteor
import pytest

from timepro_lit.metrics.meteor import Meteor, normalise, score_from_statistics
from timepro_lit.metrics.meteor_process import MeteorProcess, meteor_command

WORDS = ["a", "the", "dog", "dogs", "barks", "bird", "chirps", "man", "speaks", "loudly", "then", "car", "idles"]


@pytest.fixture(scope="module")
def meteor():
    scorer = Meteor()
    yield scorer
    scorer.close()


@pytest.fixture(scope="module")
def running(meteor) -> MeteorProcess:
    meteor.score([("start", "start")])
    return meteor._process


@pytest.mark.parametrize(
    ("hypothesis", "reference", "published"),
    [
        (  # nltk/nltk#2655: the original Java program with -l en -norm
            "Alimentum is located in the city centre. It is not family-friendly.",
            "There is a place in the city centre, Alimentum, that is not family-friendly.",
            0.4249,
        ),
        # Maluuba/nlg-eval#105: coco-caption's jar
        ("the cat was sat on the mat", "the cat sat on the mat", 0.5119556177223324),
        (  # voidful/TFkit#7: coco-caption's jar
            "It is a guide to action which ensures that the military always obeys the commands of the party",
            "It is a guide to action that ensures that the military will forever heed Party commands",
            0.44736091739438233,
        ),
    ],
)
def test_published_scores(running, hypothesis, reference, published):
    (statistics,) = running.exchange([f"SCORE ||| {reference} ||| {hypothesis}"])  # the raw text, punctuation and all
    assert score_from_statistics(statistics) == pytest.approx(published, abs=5e-5 if published == 0.4249 else 1e-12)


def test_published_scores_through_normalisation(meteor):
    pairs = [
        ("The cat was sat on the mat!", "the cat sat on the mat"),
        ("a dog barks.", "A dog barks"),
        ("a dog barking", "a dog barks"),
        ("barking", "barks"),
        ("", "a dog barks"),
    ]
    # the fourth is a quirk of the program: a word matched by stem and by synonym is dropped where no neighbour matches
    assert meteor.score(pairs) == pytest.approx([0.5119556177223324, 1.0, 0.829, 0.0, 0.0], abs=5e-4)


def test_normalised_text_has_the_words_that_the_program_counts(meteor):
    rng = random.Random(0)
    pieces = ["a", "dog's", "isn't", "2.5", "3,000", "p.m.", "high-pitched", "|||", "\n", "'ll", "n't", "'", ".", "%"]
    texts = [
        "".join(
            rng.choice([rng.choice(pieces), " ", chr(rng.randrange(0x3000)), chr(rng.randrange(0x10FFFF))])
            for _ in range(rng.randint(1, 40))
        )
        for _ in range(1000)
    ]
    scores = meteor.score(list(zip(texts[::2], texts[1::2], strict=True)))  # raises where the counts differ
    assert all(0.0 <= score <= 1.0 for score in scores)
    kept = [text for text in texts if normalise(text)]
    assert meteor.score([(text, text) for text in kept]) == [1.0] * len(kept)


def test_order_of_a_large_batch(meteor):
    rng = random.Random(1)
    pairs = [tuple(" ".join(rng.choices(WORDS, k=rng.randint(2, 10))) for _ in range(2)) for _ in range(300)]
    together = meteor.score(pairs)
    meteor._cache.clear()
    assert [meteor.score([pair])[0] for pair in pairs[::25]] == together[::25]
    assert len(set(together)) > 100


def test_scores_equal_pycocoevalcaps(meteor, monkeypatch):
    rng = random.Random(2)
    pairs = [tuple(" ".join(rng.choices(WORDS, k=rng.randint(1, 12))) for _ in range(2)) for _ in range(500)]
    ours = meteor.score(pairs)
    monkeypatch.setenv("PATH", f"{Path(meteor_command()[0]).parent}:{os.environ['PATH']}")  # it starts plain `java`
    peer = pycocoevalcap.meteor.meteor.Meteor()
    theirs = peer.compute_score({k: [r] for k, (_, r) in enumerate(pairs)}, {k: [h] for k, (h, _) in enumerate(pairs)})
    peer.meteor_p.kill()
    assert ours == pytest.approx(theirs[1], abs=1e-9)
    assert len(set(ours)) > 50


def test_killed_in_mid_call_it_still_scores_once_and_right(meteor):
    rng = random.Random(3)
    pairs = [tuple(" ".join(rng.choices(WORDS, k=20)) for _ in range(2)) for _ in range(3000)]
    expected = meteor.score(pairs)
    meteor._cache.clear()
    first = meteor._process
    pid = first.close.peek()[2][0].pid  # of the finalizer's Popen
    exchange, replies = first._read_lines, []

    def killed_after_some_replies() -> list[bytes]:
        replies.extend(lines := exchange())
        if len(replies) > 100:
            os.kill(pid, signal.SIGKILL)
        return lines

    first._read_lines = killed_after_some_replies
    assert meteor.score(pairs) == expected
    assert 100 < len(replies) < len(pairs)
    assert meteor._process is not first


def test_command_is_pycocoevalcaps():
    assert meteor_command()[-6:] == ("-", "-", "-stdio", "-l", "en", "-norm")
