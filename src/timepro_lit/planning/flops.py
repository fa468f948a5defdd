"""Floating-point operations of a stage, by count.

A weight costs two operations a token forward (multiply, add), two for the gradient of its input and two for its own,
which a frozen one has none of. Attention costs two products of queries with keys or values forward, and twice that
backward. Norms, rotations, softmax and activations are left out: a few per cent.
"""

from __future__ import annotations

import math

from timepro_lit.planning.shape import Decoder, Encoder, Shape
from timepro_lit.planning.work import Method, MicroBatch, Rollout, Share

QUERIES = 256
"""Queries that are attended together, see `lalm/attention.py`: they attend all keys that any of them sees."""
LONG = 4096
"""Tokens of a row, past which its attention is computed once more in the backward pass, see `grpo/layout.py`."""
COLUMNS = 64
"""Packed answers are padded to a multiple of this, see `grpo/logprobs.py`."""


def pairs(queries: float, before: float = 0.0) -> float:
    """Query-key products of a causal row, in blocks, behind `before` tokens that all of them see.

    >>> pairs(512), pairs(10, before=100)
    (196608.0, 1100.0)
    """
    blocks, rest = divmod(queries, QUERIES)
    whole = QUERIES * (blocks * before + QUERIES * blocks * (blocks + 1) / 2)
    return float(whole + rest * (before + queries))


def encode(encoder: Encoder, num_clips: float, audio_s: float) -> float:
    """Of the audio encoder, forward: convolutions, layers over positions in windows, projection of the frames."""
    heard_s = audio_s
    if encoder.padded_s is not None and num_clips:  # whole windows, as many as the mean clip takes
        heard_s = num_clips * encoder.padded_s * math.ceil(audio_s / num_clips / encoder.padded_s)
    positions = heard_s * encoder.positions_per_s
    seen = min(encoder.window, positions / num_clips) if num_clips else 0.0
    layers = 2 * encoder.linear * positions + 4 * encoder.attention * positions * seen
    return heard_s * encoder.stem_flops_per_s + layers + 2 * encoder.projection * heard_s * encoder.frames_per_s


def forward(decoder: Decoder, rank: int, tokens: float, products: float, logits: float) -> float:
    """2 (weights + LoRA) tokens + 4 attention products + 2 head logits."""
    linear = decoder.linear + rank * decoder.adapter_features
    return 2 * linear * tokens + 4 * decoder.attention * products + 2 * decoder.embedding * logits


def backward(decoder: Decoder, method: Method, tokens: float, products: float, logits: float, length: float) -> float:
    """As much again for the gradients of inputs, and for those of weights that are trained.

    Nothing is behind the first layer where its input is a frozen embedding. Checkpointed layers are run once more, and
    so are logits in several chunks, and the attention of rows of a `length` beyond `LONG`.
    """
    linear, head = float(2 * decoder.linear), 2 * decoder.embedding * logits
    if method.trained != "everything":
        linear -= 2 * decoder.first_linear
    if method.trained == "adapter":
        linear += 4 * method.rank * decoder.adapter_features
    else:
        linear += 2 * decoder.linear
        head += 2 * decoder.embedding * logits
    if logits * decoder.vocab_size > method.logits_at_once:
        head += 2 * decoder.embedding * logits
    again = forward(decoder, method.rank, tokens, products, 0) if method.checkpointed else 0.0
    again += 4 * decoder.attention * products if length > LONG else 0.0
    return linear * tokens + 8 * decoder.attention * products + head + again


def of_reading(shape: Shape, method: Method, batch: MicroBatch) -> dict[str, float]:
    """Of one micro-batch with reference answers: encoder, forward and backward of padded rows, logits of answers."""
    row = batch.tokens, batch.rows * pairs(batch.length), batch.answers
    encoded = encode(shape.encoder, batch.rows, batch.audio_s)
    if method.trained == "everything":
        encoded *= 3
    return {
        "encode": encoded,
        "forward": forward(shape.decoder, method.rank, *row),
        "backward": backward(shape.decoder, method, *row, batch.length),
    }


def of_exploring(shape: Shape, method: Method, rollout: Rollout, share: Share) -> dict[str, float]:
    """Of one process in one optimiser step with a rollout, answers as long as the reference's.

    encode + prefill of every prompt; decode, token by token until the longest answer has ended; reference: prompt and
    answers, forward; update: forward of the answers behind the prompt (`one_pass`) or of both, backward of both. With
    several updates to a rollout, its parts and the reference's count by their share of a step.
    """
    found = dict.fromkeys(("encode", "prefill", "decode", "reference", "update"), 0.0)
    decoder, rank, often = shape.decoder, method.rank, 1 / rollout.num_updates
    for batch in share:
        prompt = batch.tokens, batch.rows * pairs(batch.length)
        fed = _columns(batch, rollout)
        answers = batch.rows * fed, batch.rows * pairs(fed, batch.length)
        logits = rollout.group_size * batch.answers
        row = batch.rows * (batch.length + fed), batch.rows * pairs(batch.length + fed)
        both = (prompt[0] + answers[0], prompt[1] + answers[1]) if rollout.one_pass else row
        prefill = forward(decoder, rank, *prompt, 0)
        update = forward(decoder, rank, *(answers if rollout.one_pass else row), logits)
        if rollout.one_pass:  # the graph of the rollout's prompts serves the first update alone
            update += (1 - often) * prefill
        found["encode"] += often * encode(shape.encoder, batch.rows, batch.audio_s)
        found["prefill"] += often * (prefill + 2 * decoder.embedding * batch.rows)
        found["update"] += update + backward(decoder, method, *both, logits, batch.length + fed)
        if rollout.has_reference:
            found["reference"] += often * forward(decoder, rank, *both, logits)
    for batch in share if rollout.one_pass else joined(share):
        found["decode"] += often * sum(decode_steps(decoder, rank, rollout, batch))
    return found


def joined(share: Share) -> Share:
    """All prompts of a step as one micro-batch, as they are decoded where the update runs them again."""
    if len(share) < 2:
        return share
    rows, answers, audio_s = (sum(getattr(b, name) for b in share) for name in ("rows", "answers", "audio_s"))
    longest = max(b.length for b in share), max(b.longest_answer for b in share)
    return (MicroBatch(rows, longest[0], answers, longest[1], audio_s),)


def decode_steps(decoder: Decoder, rank: int, rollout: Rollout, batch: MicroBatch) -> list[float]:
    """Operations of each step of decoding: one token of every answer, all at once, past the first one."""
    tokens = batch.rows * rollout.group_size
    steps = max(0, math.ceil(min(batch.longest_answer, rollout.max_new_tokens)) - 1)
    seen = [batch.length + rollout.group_size * (step + 1) for step in range(steps)]
    if rollout.keeps_room:
        seen = [batch.length + rollout.group_size * rollout.max_new_tokens] * steps
    return [forward(decoder, rank, tokens, tokens * keys, tokens) for keys in seen]


def _columns(batch: MicroBatch, rollout: Rollout) -> float:
    """Answer tokens that are fed behind each prompt, padding included: all but the last of each answer."""
    fed = rollout.group_size * max(0.0, batch.answers / batch.rows - 1)
    return min(math.ceil(fed / COLUMNS) * COLUMNS, rollout.group_size * max(0.0, batch.longest_answer - 1))


def readable(count: float) -> str:
    """In the unit that fits.

    >>> readable(13_980_000_000_000_000_000.0), readable(3.87e13), readable(9.997e14)
    ('14 EFLOP', '38.7 TFLOP', '1 PFLOP')
    """
    unit = min(max(int(math.log10(float(f"{count:.3g}"))) // 3, 0), 6) if count >= 1 else 0
    return f"{count / 1000**unit:.3g} {('', 'k', 'M', 'G', 'T', 'P', 'E')[unit]}FLOP"
