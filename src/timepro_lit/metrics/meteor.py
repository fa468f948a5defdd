"""METEOR 1.5 (Denkowski and Lavie, "Meteor Universal", 2014) of captions, by the original Java program.

The program counts matches (SCORE); the final formula is computed here, which is equal to the original program's and
spares half of the exchange. Model output is hostile input: a line break would shift every later score by one, "|||"
would add a reference of the model's choosing, and long repetitive text takes minutes. `normalise` lets none of it pass.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
import unicodedata
from collections import OrderedDict
from collections.abc import Sequence
from functools import cache

from timepro_lit.metrics.meteor_process import MeteorError, MeteorProcess, meteor_command

MAX_CHARACTERS = 65536
MAX_WORDS = 384
"""Of a text; the program takes minutes where 1,000 words on either side are but a few, again and again."""
MAX_WORD_LENGTH = 64

# The tokens of Stanford's PTBTokenizer without its punctuation, hyphens split as the program's -norm does:
# do|n't, dog|'s, 2.5, words.
_TOKEN = re.compile(r"[a-z0-9]+?(?=n't\b)|n't\b|'(?:s|re|ve|ll|d|m)\b|[0-9]+(?:[.,][0-9]+)+|[a-z0-9]+", re.ASCII)
_NON_ASCII = re.compile(r"[^\x00-\x7f]")

# Parameters of the task "English, ranking", the program's default.
ALPHA, BETA, GAMMA, DELTA = 0.85, 0.2, 0.6, 0.75
MODULE_WEIGHTS = (1.0, 0.6, 0.8, 0.6)  # exact, stem, synonym, paraphrase


class Meteor:
    """Scores hypotheses against references with one METEOR program per process, started at the first use.

    command: what to run instead of `meteor_command()`. start_timeout_s and timeout_s: as in `MeteorProcess`.
    cache_size: number of remembered pairs, least recently used ones forgotten first.

    A program that hangs, dies or talks nonsense is killed, and the question asked once more of a new one.
    Safe to use from several threads and after a fork. A pickled copy starts its own program; `copy.deepcopy` shares it.

    Raises MeteorError where Java or the jar is missing; never falls back to another scorer.
    """

    def __init__(
        self,
        command: Sequence[str] | None = None,
        start_timeout_s: float = 600.0,
        timeout_s: float = 30.0,
        cache_size: int = 65536,
    ) -> None:
        self.command = meteor_command() if command is None else tuple(command)
        self.start_timeout_s = start_timeout_s
        self.timeout_s = timeout_s
        self.cache_size = cache_size
        self._cache: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._lock = threading.Lock()
        self._process: MeteorProcess | None = None
        self._owner = os.getpid()

    def __reduce__(self) -> tuple[type[Meteor], tuple[tuple[str, ...], float, float, int]]:
        return Meteor, (self.command, self.start_timeout_s, self.timeout_s, self.cache_size)

    def __deepcopy__(self, memo: dict[int, object]) -> Meteor:
        return self  # torchmetrics copies metrics; a second program would cost another gigabyte

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """METEOR of each (hypothesis, reference), in [0, 1]; 0 where either holds no word after `normalise`.

        All pairs that are not in the cache are asked at once. Raises MeteorError where the program fails twice.
        """
        keys = [(normalise(hypothesis), normalise(reference)) for hypothesis, reference in pairs]
        with self._lock:
            known = {key: self._cache[key] for key in keys if key in self._cache}
            unknown = [key for key in dict.fromkeys(keys) if key not in known and key[0] and key[1]]
            known.update(zip(unknown, self._ask(unknown), strict=True))
            for key in known:
                self._cache[key] = known[key]
                self._cache.move_to_end(key)
            while len(self._cache) > self.cache_size:
                self._cache.popitem(last=False)
        return [known.get(key, 0.0) for key in keys]

    def close(self) -> None:
        """End the program; the next `score` starts a new one."""
        if self._process is not None:
            self._process.close()
            self._process = None

    def _ask(self, keys: Sequence[tuple[str, str]]) -> list[float]:
        if not keys:
            return []
        try:
            return self._ask_once(keys)
        except MeteorError:
            self.close()
            return self._ask_once(keys)

    def _ask_once(self, keys: Sequence[tuple[str, str]]) -> list[float]:
        if self._owner != os.getpid():  # forked: the pipes belong to the parent
            self._process, self._owner = None, os.getpid()
        if self._process is None:
            self._process = MeteorProcess(self.command, self.start_timeout_s, self.timeout_s)
        requests = [f"SCORE ||| {reference} ||| {hypothesis}" for hypothesis, reference in keys]
        replies = self._process.exchange(requests)
        for (hypothesis, reference), statistics in zip(keys, replies, strict=True):
            lengths = (_num_program_words(hypothesis), _num_program_words(reference))
            if (statistics[0], statistics[1]) != lengths:  # the reply to another question
                raise MeteorError(
                    f"METEOR replied with {statistics[0]:g} and {statistics[1]:g} words for {lengths[0]} and "
                    f"{lengths[1]} sent ({hypothesis[:80]!r} against {reference[:80]!r})."
                )
        return [score_from_statistics(statistics) for statistics in replies]


def normalise(text: str, max_words: int | None = MAX_WORDS) -> str:
    """Lower-case words without punctuation, one space between; None = all words.

    Words of at most 64 characters, from the first 65,536 characters of the text; a longer one, such as a sentence
    without spaces, ends in a digest of the whole. Tokens are those of PTBTokenizer without its punctuation,
    e.g. "A dog's bark, high-pitched!" becomes "a dog 's bark high pitched".
    Unlike there, symbols (%, &, /) vanish too, accents are stripped, and any other character beyond ASCII becomes a
    word-like code, since the program splits such words in ways of its own.
    """
    plain = unicodedata.normalize("NFKD", text[:MAX_CHARACTERS].lower().replace("\u2019", "'"))
    words = _TOKEN.findall(_NON_ASCII.sub(_spell_out, plain).lower())[:max_words]
    return " ".join(_shortened(word) for word in words)


def _shortened(word: str) -> str:
    if len(word) <= MAX_WORD_LENGTH:
        return word
    letters = word[: MAX_WORD_LENGTH - 16].replace(".", "").replace(",", "")  # where the program might split
    return letters + hashlib.sha256(word.encode()).hexdigest()[:16]


def _spell_out(match: re.Match[str]) -> str:
    """A code for a letter or digit beyond ASCII, nothing for a combining mark, a space for all else."""
    character = match.group()
    if unicodedata.combining(character):
        return ""
    return f"u{ord(character):x}" if character.isalnum() else " "


def _num_program_words(normalised: str) -> int:
    """Number of words that the program's -norm makes of normalised text: 's becomes ' and s, n't becomes n and 't."""
    return sum(2 if "'" in word else 1 for word in normalised.split())


def score_from_statistics(statistics: Sequence[float]) -> float:
    """The METEOR score, in [0, 1], of the 23 numbers that SCORE answers.

    |h| |r| fw(h) fw(r), then for exact, stem, synonym, paraphrase matches: content words of h, of r, function words
    of h, of r; then chunks, matched words of h, of r. (h hypothesis, r reference, fw function words.)
    """
    length_h, length_r, function_h, function_r = statistics[:4]
    chunks, matched_h, matched_r = statistics[20:]
    weighted_h = weighted_r = 0.0
    for module, weight in enumerate(MODULE_WEIGHTS):
        content_h, content_r, func_h, func_r = statistics[4 + 4 * module : 8 + 4 * module]
        weighted_h += weight * (DELTA * content_h + (1.0 - DELTA) * func_h)
        weighted_r += weight * (DELTA * content_r + (1.0 - DELTA) * func_r)
    if weighted_h == 0.0 or weighted_r == 0.0:
        return 0.0
    precision = weighted_h / (DELTA * (length_h - function_h) + (1.0 - DELTA) * function_h)
    recall = weighted_r / (DELTA * (length_r - function_r) + (1.0 - DELTA) * function_r)
    f_mean = precision * recall / (ALPHA * precision + (1.0 - ALPHA) * recall)
    whole = chunks == 1.0 and matched_h == length_h and matched_r == length_r
    penalty = 0.0 if whole else GAMMA * (chunks / ((matched_h + matched_r) / 2.0)) ** BETA
    return min(1.0, f_mean * (1.0 - penalty))


@cache
def shared_meteor() -> Meteor:
    """The scorer of this process: a reward and an evaluation that both ask for it share one program and its memory."""
    return Meteor()
