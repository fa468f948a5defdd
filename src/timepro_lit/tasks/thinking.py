"""What a model says before it answers, and the part of its text that is the answer."""

from __future__ import annotations

import re

from timepro_lit.tasks.times import LINE_START

_NAMES = (
    r"think(?:ing)?|thoughts?|reason(?:ing)?|analysis|reflection|scratchpad|draft|plan(?:ning)?|rationale|explanation"
)
_ANSWERS = r"(?:final[_ ]?)?(?:answer|response|output|result|solution)|final"
_TAG = re.compile(
    rf"<\s?(?P<close>/)?\s?(?:[a-z]{{1,16}}:)?(?P<tag>{_NAMES})\b[^<>\n]{{0,64}}>"  # <think>, </think>, <seed:think>
    r"|[\[◁](?P<close_mark>/)?(?-i:THINK|think(?=▷))[\]▷]"  # [THINK], ◁think▷
    r"|<\|(?:begin|(?P<end>end))_of_thought\|>"
    r"|(?P<channel><\|channel\|>(?:analysis|commentary)\b)|(?P<message><\|channel\|>final\b[^<\n]{0,64}<\|message\|>)",
    re.IGNORECASE,
)
_ANSWER = re.compile(
    rf"<\s?(?:{_ANSWERS})\b[^<>/\n]{{0,64}}>|<\|begin_of_(?:solution|answer)\|>|\\boxed(?=\{{)", re.IGNORECASE
)
_ANSWER_END = re.compile(
    rf"<\s?/\s?(?:{_ANSWERS})\s?>|<\|end_of_(?:solution|answer)\|>|<\|(?:end|return)\|>", re.IGNORECASE
)
_ABOUT_IT = re.compile(
    r"(?:in|given|based|expressed|provided|shown|formatted|reported|written|rounded|above)\b[^0-9\[{]*+\Z",
    re.IGNORECASE,
)
"""What follows "The answer is" where this announces none, but speaks of the one before: "in seconds"."""
_MARKS = r"[ \t]{0,8}(?:[#>*_-]{1,4}[ \t]{0,4}){0,3}"
_ANSWER_LINE = re.compile(
    rf"(?:\A|(?<=\n)|(?<=\r)|(?<=[.!?] )){_MARKS}(?:(?:so|thus|hence|therefore|finally),?[ ])?(?:(?:my|the)[ ])?"
    r"(?:final[ ](?:answer|result|output|response)|answer|response|output|(?:最终)?答案)"
    r"(?:[ ]is\b[ ]?[:=]?|[*_]{0,3}[ ]?[:=]|(?=[*_ \t]{0,4}[\r\n]))[*_]{0,3}",
    re.IGNORECASE,
)
_THOUGHT_LINE = re.compile(
    rf"(?:\A|(?<=\n)|(?<=\r)){_MARKS}(?:thoughts?(?:[ ]process)?|thinking(?:[ ]process)?|(?:chain[ ]of[ ]thought)|"
    r"reason(?:s|ing)?|rationale|analysis|scratchpad|draft|explanation|justification|思考|推理|分析)[*_]{0,3}[ ]?:",
    re.IGNORECASE,
)
_FENCES = re.compile(r"```[a-z]{0,10}", re.IGNORECASE)


def answer_part(plain: str, captioned: bool = False) -> slice:
    """Where the answer stands in an answer's text: behind what is thought, said to be a draft or announced.

    A thinking part that does not end is no answer, and leaves what stands before it. Where the answer is lines of times
    and a caption, `captioned`, one such as "0-2 s, a host asks. The answer is five" announces nothing.
    """
    start, stop = _untagged(plain, _thought(plain))
    found = list(_ANSWER.finditer(plain, start, stop))
    if found:
        start = found[-1].end()
        end = _ANSWER_END.search(plain, start, stop)
        return slice(start, stop if end is None else end.start())
    lines = [m.span() for m in _ANSWER_LINE.finditer(plain, start, stop)]
    lines = [(at, end) for at, end in lines if not (captioned and _in_caption(plain, at, end))]
    if lines and _ABOUT_IT.match(plain[lines[-1][1] : stop]) is not None:
        lines.pop()
    if not lines:
        return _after_thought(plain, start, stop)
    start = lines[-1][1]
    return slice(start, _unthought(plain, start, stop))


def _in_caption(plain: str, place: int, end: int) -> bool:
    """Whether what stands there is said behind times, and no times behind it."""
    line = max(plain.rfind("\n", 0, place), plain.rfind("\r", 0, place)) + 1
    announces = LINE_START.match(plain[end:].lstrip("\r\n *_\t")) is not None and line < place
    return LINE_START.match(plain[line:place].lstrip()) is not None and not announces


def _thought(plain: str) -> list[tuple[int, int | None]]:
    """Thinking parts in tags, as (start, end); an end of None where one is left open."""
    parts: list[tuple[int, int | None]] = []
    opened: int | None = None
    for tag in _TAG.finditer(plain):
        if tag["close"] or tag["close_mark"] or tag["end"] or tag["message"]:
            # a closing tag alone: the opening one stood at the end of the prompt
            if opened is None:
                parts, opened = [], 0
            parts.append((opened, tag.end()))
            opened = None
        elif opened is None:
            opened = tag.start()
    return parts if opened is None else [*parts, (opened, None)]


def _untagged(plain: str, parts: list[tuple[int, int | None]]) -> tuple[int, int]:
    """The stretch after the last part; where nothing stands there, the one before it."""
    stop = len(plain)
    while parts:
        start, end = parts.pop()
        if end is not None and plain[end:stop].strip():
            return end, stop
        stop = start
    return 0, stop


def _unthought(plain: str, start: int, stop: int) -> int:
    """Where an explanation begins that follows the answer."""
    thought = _THOUGHT_LINE.search(plain, start, stop)
    return thought.start() if thought is not None and plain[start : thought.start()].strip() else stop


def _after_thought(plain: str, start: int, stop: int) -> slice:
    """What a "Thought:" leaves: what stands before it; else what follows its line, where that is all answer."""
    thought = _THOUGHT_LINE.search(plain, start, stop)
    if thought is None:
        return slice(start, stop)
    if plain[start : thought.start()].strip():
        return slice(start, thought.start())
    line_end = plain.find("\n", thought.end(), stop)
    paragraph = plain.rfind("\n\n", thought.end(), stop)
    for begin in (line_end, paragraph):
        if begin >= 0 and _all_answer(plain[begin:stop]):
            return slice(begin, stop)
    return slice(stop, stop)


def _all_answer(text: str) -> bool:
    text = _FENCES.sub("", text).strip()
    if text[:1] in ("[", "{"):
        return text[-1:] in ("]", "}")
    return bool(text) and all(LINE_START.match(line.strip()) for line in text.splitlines() if line.strip())
