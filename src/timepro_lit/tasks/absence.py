"""Answers that say that a sound does not occur: empty or null in brackets, or so in words.

None is an answer, and an answer that cannot be read is not none: whatever hedges, counts or speaks of a part of the
clip alone says nothing here. Every pattern is linear, as in `tasks.times`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from timepro_lit.tasks.brackets import Group, Value, Word
from timepro_lit.tasks.named_times import Span
from timepro_lit.tasks.names import Role, name_of
from timepro_lit.tasks.times import FLAGS

_EMPTY = re.compile(r'\{"(?:[^"\\\x00-\x1f]++|\\["\\/bfnrt]|\\u[0-9a-f]{4})*+": \[\]\}')
_EDGES = " \t\r\n*_`\"'“’.!,;-•#>|"
_WHOLE = re.compile(
    r"null|none|nil|n/a|nothing|never|absent|empty|silence|not applicable|无|没有|"
    r"(?:it (?:is|was) )?(?:not|never) (?:present|found|heard|audible|detected|detectable|there|occurring|applicable)|"
    r"no (?:such )?(?:occurrences?|sounds?|events?|match(?:es)?|segments?|instances?|times?|detections?|moments?)"
    r"(?: (?:found|heard|detected|present))?|(?:does|did|do) not (?:occur|happen|appear|exist)",
    FLAGS,
)
_NO = (
    r"\bno[ ](?!(?:audio|recording|file|clip|input|attachment|idea|clue|answer|information|data|doubt|question|need|"
    r"problem|longer)\b)"
)
_WORD = r"[^\W\d]{1,24}"
_NO_THING = re.compile(rf"{_NO}(?:{_WORD}[ ]){{0,5}}{_WORD}", FLAGS)
"""All of a statement: "No dog barks"."""
_GAP = rf"(?:{_WORD}[ ]){{0,4}}"
_HAPPENS = (
    r"(?:occur|happen|appear|exist|take[ ]place|present|audible|heard|hear|detect|found|find|contain|include|"
    r"feature|identif|locate|notice|perceiv|discern)"
)
_SENTENCE = re.compile(
    r"(?:\b(?:do|does|did|is|are|was|were|has|have|could|can|be)[ ]?(?:not|n['’]t)|\bcannot|\bcan['’]t|\bnever)"
    rf"[ ]{_GAP}{_HAPPENS}"
    rf"|\bthere(?:[ ](?:is|are|was|were)|['’]s)[ ](?:{_NO}|not[ ]any\b|nothing\b)"
    r"|\bthere[ ](?:is|are|was|were)n['’]t[ ](?:any|an?)\b"
    rf"|{_NO}(?:{_WORD}[ ]){{1,6}}(?:(?:is|are|was|were|can[ ]be|could[ ]be)[ ])?{_HAPPENS}"
    r"|\bno[ ]such[ ](?:sound|event|audio)|\b(?:is|are|was|were)[ ](?:absent|missing)\b"
    r"|\b(?:0|zero)[ ](?:times|occurrences|instances|matches|segments|events)\b"
    rf"|\b(?:contains?|contained|has|hear|heard|detect|detected|found|find)[ ]{_NO}"
    r"|没有(?:听到|出现|检测到|找到)|未(?:出现|检测到|听到)|不存在",
    FLAGS,
)
_DOUBT = re.compile(
    # what hedges or asks, what is refused, and what is said of a part of the clip or of something else
    r"\b(?:if|unless|whether|when|maybe|might|may|perhaps|possibly|sure|certain|unclear|unsure|likely|"
    r"again|anymore|any[ ]more|until|before|after|except|other|another|else|only|just|further|additional|more|besides|"
    r"doubt|ambiguity|sorry|unable)\b"
    r"|\b(?:hear|access|process|find|detect|identify|locate)[ ](?:to[ ])?(?:the|this|that|any|your)[ ]"
    r"(?:audio|recording|clip|file|times?|timestamps?)\b",
    FLAGS,
)
_CONDITION = re.compile(r"\b(?:if|unless|whether)\b", FLAGS)
_OF_CLIP = re.compile(
    r"[0-9]{1,4}(?:\.[0-9]{1,3})?[- ]?(?:s|secs?|seconds?)[- ](?:long[ ])?(?:audio|clip|recording|file|track)\b"
    r"|\b(?:entire|whole|full|all)[ ](?:of[ ])?(?:the[ ])?[0-9]{1,4}(?:\.[0-9]{1,3})?[ ]?(?:s|secs?|seconds?)\b"
    r"|\b0[ ](?=times|occurrences|instances|matches|segments|events)",
    FLAGS,
)
_STATEMENTS = re.compile(r"([\r\n;!?。]++|(?<![0-9])\.(?=\s|\Z)|,[ ](?=but[ ]))")
_QUOTED = re.compile(r"[\"“][^\"“\r\n]{1,128}[\"“]")
_FENCE = re.compile(r"`{3,}+[a-z]{0,10}", FLAGS)
_ONWARD = re.compile(r"[.;!\n]|\b(?:but|however|instead|though|although|rather)\b", FLAGS)
_PRESENCE = frozenset((
    "present", "presence", "occurs", "occurred", "occurring", "found", "detected", "exists", "heard", "happens",
    "audible",
))  # fmt: skip


def is_empty_object(text: str) -> bool:
    """Whether an answer is `{"a dog barks": []}`, exactly as the task writes it."""
    return _EMPTY.fullmatch(text) is not None


def says_none(plain: str, root: Group) -> bool:
    """Whether an answer in which no times were found says that there are none.

    `plain` is the answer in plain signs, `root` its tree. What stands in brackets is the answer where there are any.
    """
    groups = [value for _, values in root.entries for value in values if isinstance(value, Group)]
    if groups:
        closed = all(group.closed for group in groups) and _CONDITION.search(plain, 0, groups[0].start) is None
        return closed and all(_is_none(group) for group in groups)
    return _words_say_none(_FENCE.sub(" ", plain))


def is_of_another(plain: str, root: Group, spans: Sequence[Span]) -> bool:
    """Whether an answer denies what was asked for first, and gives the times of another, quoted thing.

    `{"a dog barks": null, "a cat meows": [1.20, 3.48]}`, or `There is no dog. "A cat meows" from 1.20 to 3.48`.
    """
    groups = [value for _, values in root.entries for value in values if isinstance(value, Group)]
    if groups:
        keyed = [(key, values) for key, values in groups[0].entries if key and name_of(key).role is None]
        if len(keyed) < 2 or not keyed[0][1] or not all(_is_none(value) for value in keyed[0][1]):
            return False
        return all(label not in (None, keyed[0][0]) and name_of(label or "").role is None for _, _, label in spans)
    denied = _SENTENCE.search(plain)
    if denied is None or any(character.isdigit() for character in plain[: denied.end()]):
        return False
    rest = plain[denied.end() :]
    onward = _ONWARD.search(rest)
    if onward is None or _DOUBT.search(plain[: denied.end() + onward.start()]):
        return False
    quoted = _QUOTED.search(rest, onward.start())
    digit = re.search(r"[0-9]", rest)
    return quoted is not None and digit is not None and quoted.end() <= digit.start()


def _is_none(value: Value, key: str | None = None) -> bool:
    if isinstance(value, Word):
        word = value.plain.strip(_EDGES).lower()
        if key is not None and key.strip().lower().split("_")[-1] in _PRESENCE and word in ("false", "no", "0"):
            return True
        return not word or _WHOLE.fullmatch(word) is not None or _words_say_none(value.plain)
    said = False
    for name, values in value.entries:
        role = None if name is None else name_of(name).role
        if role in (Role.LABEL, Role.REMARK) and all(isinstance(one, Word) for one in values):
            # {"query": null} answers; {"query": "a dog barks"} repeats the question
            said = said or (bool(values) and all(_is_none(one) for one in values))
            continue
        if not values and name is not None:
            return False
        if not all(_is_none(one, name) for one in values):
            return False
        said = True
    return said or not value.entries


def _words_say_none(plain: str) -> bool:
    """Whether words say so, of all of the clip and without doubt; a number other than of the clip's length is doubt."""
    if any(character.isdigit() for character in _QUOTED.sub(" ", _OF_CLIP.sub(" ", plain))):
        return False
    found = False
    parts = _STATEMENTS.split(_QUOTED.sub(lambda quoted: quoted[0].strip('"“'), plain))
    for statement, end in zip(parts[::2], [*parts[1::2], ""], strict=True):
        words = statement.rpartition(":")[2].strip(_EDGES)
        if _WHOLE.fullmatch(words) is not None:
            found = True
        elif _DOUBT.search(statement) is not None and "?" not in end:
            return False
        elif "?" not in end:
            found = found or _SENTENCE.search(statement) is not None or _NO_THING.fullmatch(words) is not None
    return found
