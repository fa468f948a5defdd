"""Statements in words that a sound does not occur: a grammar that a whole statement has to fit.

What was asked for is not known here, so a statement that says anything besides, of another sound, of a part of the clip
or of the file itself, is no denial: "There is no pause, the dog barks throughout" has one as its beginning. Every
pattern is linear, as in `tasks.times`.
"""

from __future__ import annotations

import re
from bisect import bisect_left

from timepro_lit.tasks.times import FLAGS

_WHOLE = re.compile(
    r"null|none|nil|n/a|no|nothing|never|absent|empty|not applicable|无|没有|"
    r"(?:it (?:is|was) )?(?:not|never) (?:present|found|heard|audible|detected|detectable|there|occurring|applicable)|"
    r"no (?:such )?(?:occurrences?|sounds?|events?|match(?:es)?|segments?|instances?|detections?|moments?)"
    r"(?: (?:found|heard|detected|present))?|"
    r"(?:(?:it|this) )?(?:does|did|do)(?: not|n['’]t) (?:occur|happen|appear|exist)|"
    r"(?:number of )?(?:occurrences|instances|matches|segments|events): (?:0|zero|none)|"
    r"(?:0|zero) (?:times|occurrences|instances|matches|segments|events)",
    FLAGS,
)
_CLIP = r"(?:(?:audio|sound)[ ])?(?:audio|recording|clip|file|track|soundscape|sample)"
_OTHER = (  # no names of a sound, or of it in all of the clip
    rf"\b(?:i|we|you|he|she|they|it|this|that|these|those|which|who|one|model|user|system|and|as|because|so|{_CLIP}s?|input|attachment|idea|clue|answer|information|data|doubts?|ambiguity|questions?|need|problems?|"
    r"way|longer|times?|timestamps?|timings?|silence|pauses?|gaps?|breaks?|interruptions?|moments?|points?|changes?|"
    r"starts?|beginning|begins?|ends?|ending|middle|half|first|second|seconds|minutes?|last|parts?|sections?|opening|intro|"
    r"portions?|rest|remainder|if|unless|whether|when|while|where|maybe|might|may|perhaps|possibly|sure|certain|clear|"
    r"exact|specific|precise|unclear|unsure|likely|possible|again|anymore|any[ ]more|until|before|after|between|during|"
    r"since|once|then|except|other|another|else|only|just|but|than|less|fewer|further|additional|more|besides|without|"
    r"not|no|never|any|able|unable|is|are|was|were|be|been|has|have|had|does|do|did|can|could|will|would|should)\b"
)
_WORD = r"[^\W\d_](?:[^\W_]|['’-](?=[^\W_])){0,23}"
_THING = rf"(?:(?!{_OTHER}){_WORD}[ ]){{0,7}}(?!{_OTHER}){_WORD}"
_LISTED = rf"(?:(?:an?|any|the|such|signs?[ ]of|sounds?[ ]of|evidence[ ]of)[ ]){{0,3}}{_THING}"
_LASTING = r"[0-9]{1,4}(?:\.[0-9]{1,3})?[- ](?:s|secs?|seconds?)(?:[- ]long)?"
_WITHIN = (
    r"(?:[ ](?:here|(?:with)?in[ ](?:(?:this|the|that|your|provided|given|entire|whole|short|"
    rf"{_LASTING})[ ]){{0,4}}{_CLIP}"
    r"|at[ ]all|anywhere|to[ ]be[ ](?:heard|found))){0,2}"
)
_SEEN = (
    r"(?:present|audible|(?:over)?heard|detected|detectable|found|identified|located|noticed|perceived|discerned|there|"
    r"occurring|contained|included|absent|missing)"
)
_NOT = r"(?:[ ](?:not|never)|n['’]t)"
_HAPPEN = r"(?:occur|happen|appear|exist|take[ ]place|sound|be[ ](?:heard|found|present|detected))s?"
_GOES_ON = (  # what is denied of a sound that occurs
    r"(?!(?:stop|end|paus|ceas|chang|fad|start|begin|last|miss|lack|skip|wait|know|matter|work|help|mean|seem|say|mak|need|"
    r"hav|contain|continu|repeat|get|return|vary|allow|includ)[a-z]{0,8}(?:[ ]|\Z))"
)
_LEAD = (
    r"(?:(?:sorry|i['’]m sorry|i am sorry|unfortunately|so|thus|therefore|hence)(?:,[ ]?|[ ])(?:but[ ])?)?"
    rf"(?:(?:based on|according to|(?:after )?listening to|in|throughout)[ ](?:(?:the|this|provided|given)[ ]){{0,3}}"
    rf"{_CLIP}(?:,[ ]?|[ ])(?:i can say that[ ])?)?"
)
_SENTENCE = re.compile(
    rf"{_LEAD}(?:"
    r"there(?:[ ](?:is|are|was|were)|['’]s)[ ](?:no|not[ ](?:any|an?)|(?:0|zero)(?=[ ](?:occurrences|instances)))[ ]"
    r"(?:such[ ])?(?:(?:occurrences?|instances?|signs?|sounds?|evidence)[ ]of[ ])?"
    rf"(?:{_LISTED}|this|it)(?:[ ]{_SEEN})?"
    rf"|there(?:[ ](?:is|are|was|were))n['’]t[ ](?:any|an?)[ ]{_LISTED}(?:[ ]{_SEEN})?"
    rf"|there(?:[ ](?:is|was)|['’]s)[ ](?:nothing|no[ ]such[ ](?:sound|event|thing))(?:[ ]like[ ]that)?"
    rf"|no[ ](?:such[ ])?{_LISTED}(?:[ ](?:(?:is|are|was|were)|can[ ]be|could[ ]be)[ ]{_SEEN})?"
    rf"|nothing[ ](?:is|was)[ ]{_SEEN}"
    rf"|(?:i|we)[ ](?:(?:do|did|can|could|ca)(?:[ ]not|n['’]t)|cannot)[ ](?:hear|detect|find|notice|identify|perceive)"
    rf"[ ]{_LISTED}"
    rf"|(?:i|we)[ ](?:hear|heard|found|find|detected|detect|noticed)[ ](?:no|nothing[ ]like)[ ]{_LISTED}"
    rf"|(?:{_LISTED}|it|this)[ ](?:(?:is|are|was|were|can|could){_NOT}|cannot|can['’]t)[ ]"
    rf"(?:be[ ]|being[ ])?{_SEEN}"
    rf"|(?:{_LISTED}|it|this)[ ](?:is|are|was|were)[ ](?:absent|missing)(?:[ ]from)?"
    rf"|(?:{_LISTED}|it|this)[ ](?:(?:do|does|did){_NOT}|never)[ ]{_HAPPEN}"
    rf"|{_LISTED}[ ](?:(?:is|are|was|were){_NOT}[ ]{_GOES_ON}[a-z]{{2,16}}ing|(?:do|does|did){_NOT}[ ]{_GOES_ON}"
    r"[a-z]{2,16})"
    rf"|(?:(?:the|this)[ ])?(?:(?:provided|given|short)[ ]){{0,2}}{_CLIP}[ ](?:(?:do|does|did){_NOT}[ ]"
    rf"(?:seem[ ]to[ ])?(?:contain|include|feature|have)|(?:contains|includes|features|has)[ ]no)[ ]{_LISTED}"
    rf"){_WITHIN}(?:[ ]from[ ](?:the|this)[ ]{_CLIP})?",
    FLAGS,
)
_HAN = re.compile(
    r"(?:(?:在)?(?:这段)?(?:音频|录音|片段)(?:中|里)?)?(?:并?没有(?:听到|出现|检测到|找到|发现)?|未(?:出现|检测到|听到)|"
    r"不存在)(?!.*(?:声音|音频|录音|时间|停|间断|中断|其他|别的|再))[\u4e00-\u9fff]{0,12}",
    FLAGS,
)
_STATEMENTS = re.compile(r"([\r\n;!?。]++|(?<![0-9])\.(?=\s|\Z)|,[ ](?=but[ ]))")
_QUOTED = re.compile(r"[\"“][^\"“\r\n]{1,128}[\"“]")
_EDGES = " \t\r\n*_`\"'“’.!,;-•#>|()（）"
_NUMBER = re.compile(r"[0-9]{1,2}[.)][ ]")
_NAME = "theasked"
_LONGEST = 320
_NEGATION = re.compile(r"\b(?:no|not|never|none|neither|nothing|without|cannot)\b|n['’]t\b", FLAGS)
_NO_DOUBT = re.compile(r"\b(?:no|without|not)[ ](?:an?[ ])?(?:doubt|question|sure|certain|only|just)\b", FLAGS)
_BEHIND = re.compile(r"\A\s{0,4}(?:之?[间内中]|的?期间|里|[)\]:|-])?\s{0,4}")
_ASIDES = ("(", " (")
_CLAUSES = re.compile(r"[\r\n;!?。,:]++|(?<![0-9])\.(?=\s|\Z)|\.(?=\s)|\b(?:but|then|and)\b", FLAGS)


def deny(plain: str) -> bool:
    """Whether words say that nothing occurs: one statement at least does, and all but questions do.

    >>> deny("When does a dog bark? There is no dog barking in this clip."), deny("No dog barks at the beginning.")
    (True, False)
    """
    found = False
    parts = _STATEMENTS.split(_QUOTED.sub(_unquoted, plain))
    for statement, end in zip(parts[::2], [*parts[1::2], ""], strict=True):
        if "?" in end or not statement.strip(_EDGES):
            continue
        if not is_denial(statement):
            return False
        found = True
    return found


def end_of_first_denial(plain: str) -> int | None:
    """Where an answer's first statement ends, if that is a denial."""
    start, end = _between(_STATEMENTS, plain)[0]
    return end if is_denial(_QUOTED.sub(_unquoted, plain[start:end])) else None


def is_denial(statement: str) -> bool:
    """Whether one statement is a denial, and nothing else."""
    words = _NUMBER.sub("", statement.strip(_EDGES), count=1).removeprefix("but ").strip(_EDGES)
    said = words.rpartition(":")[2].strip(_EDGES)  # "Answer: none", "a dog barks: none"
    return len(words) <= _LONGEST and any(_fits(one) for one in (words, said))


def denies_times(plain: str, places: list[tuple[int, int]]) -> bool:
    """Whether the times at `places`, from the first on, are those of something that is said not to happen.

    >>> denies_times("No dog barks between 1.2 and 3.4 s.", [(22, 34)])
    True
    """
    for clause_start, clause_end in _between(_CLAUSES, plain):
        first = next((start for start, _ in places if clause_start <= start < clause_end), None)
        if first is not None and _NEGATION.search(_NO_DOUBT.sub(" ", plain[clause_start:first])):
            return True
    statements = _between(_STATEMENTS, plain)
    ends = [end for _, end in statements]
    for (_, behind), (following, _) in zip(places, [*places[1:], (len(plain), 0)], strict=False):
        stop = ends[min(bisect_left(ends, behind), len(ends) - 1)]
        if not plain.startswith(_ASIDES, behind) and is_denial(
            _BEHIND.sub("", _QUOTED.sub(_unquoted, plain[behind : min(following, stop)]), count=1)
        ):
            return True  # from 1.2 to 3.4 s there is no dog
    return any(is_denial(_QUOTED.sub(_unquoted, plain[start:end])) for start, end in statements)


def _fits(words: str) -> bool:
    return any(pattern.fullmatch(words) is not None for pattern in (_WHOLE, _SENTENCE, _HAN))


def _between(pattern: re.Pattern[str], plain: str) -> list[tuple[int, int]]:
    edges = [0, *(place for cut in pattern.finditer(plain) for place in cut.span()), len(plain)]
    return list(zip(edges[::2], edges[1::2], strict=True))


def _unquoted(quoted: re.Match[str]) -> str:
    """What is quoted as plain words: no number and no word of its is the statement's own."""
    return _NAME if quoted[0].strip('"“').strip() else " "
