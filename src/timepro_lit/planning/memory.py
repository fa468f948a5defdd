"""Bytes that a stage needs on each GPU, part by part, and on disk.

Not counted: what the encoder and the kernels work in, the buckets of gradients on their way to others, and what the
allocator cannot use of its blocks. Leave a tenth of the card free for them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from timepro_lit.planning.flops import LONG, QUERIES, joined, pairs
from timepro_lit.planning.shape import Decoder, Shape
from timepro_lit.planning.work import Method, MicroBatch, Rollout, Share, Work

FOUR_BIT = 0.5 + 0.127 / 8
"""Bytes of a weight in NormalFloat4 with double quantisation: 4 bits and 0.127 of constants (arXiv 2305.14314)."""


def num_trained(shape: Shape, method: Method) -> int:
    """Weights that are trained."""
    decoder = shape.decoder
    if method.trained == "adapter":
        return method.rank * decoder.adapter_features
    head = 0 if decoder.head_is_embedding else decoder.embedding
    if method.trained == "everything":
        return decoder.weights + head + decoder.embedding + shape.encoder.weights
    return decoder.weights + head


def weights(shape: Shape, method: Method) -> float:
    """Base weights in their precision, adapters aside."""
    decoder = shape.decoder
    ends = decoder.embedding * (1 if decoder.head_is_embedding else 2)
    small = decoder.adapted if method.four_bit else 0
    return method.weight_bytes * (decoder.weights - small + ends + shape.encoder.weights) + FOUR_BIT * small


def training_state(shape: Shape, method: Method, num_processes: int) -> dict[str, float]:
    """Adapter, gradient and AdamW's two moments in float32: 4 + 4 + 8 bytes a trained weight.

    Under ZeRO-2 processes share gradient and moments, and a copy of the weights besides.
    """
    trained = num_trained(shape, method)
    adapters = 0 if method.trained != "adapter" else 2 if method.rollout and method.rollout.has_reference else 1
    optimiser = 16 * trained / num_processes if method.sharded else 12 * trained
    return {"adapter": 4.0 * adapters * trained, "gradient and AdamW": float(optimiser)}


def saved_by_layer(decoder: Decoder, method: Method) -> float:
    """What one layer keeps of a token for the backward pass.

    Norms keep their input in float32. Adapters keep the input of each linear layer: where autocast casts it, each a
    copy of its own, and otherwise one for queries, keys and values, and one for gate and up. Attention keeps queries,
    keys, values, its output and a float32 a head; the activation keeps gate, its value and up.
    """
    d, q, kv, inner = (
        decoder.hidden_size,
        decoder.num_heads * decoder.head_size,
        decoder.kv_size,
        decoder.inner_size,
    )
    apart = method.autocast and (method.rank > 0 or method.weight_bytes == 4)
    inputs = 5 * d + q + inner if apart else 2 * d + q + inner
    norms = 8 * d + (0 if method.trained == "adapter" else 2 * method.weight_bytes * d)
    products = inputs + 2 * q + 2 * kv + 3 * inner + method.rank * decoder.num_adapted / decoder.num_layers
    return norms + method.product_bytes * products + 4 * decoder.num_heads


def saved(shape: Shape, method: Method, rows: int, length: float, behind: float = 0.0) -> float:
    """Activations that are kept of `rows` of `length` tokens: all layers', or, checkpointed, their inputs and one's.

    Answers that are fed behind a prompt (`behind` tokens) copy its keys and values once.
    """
    decoder = shape.decoder
    tokens = rows * length
    layers = decoder.num_layers * saved_by_layer(decoder, method)
    if method.checkpointed:
        inputs = decoder.num_layers * method.weight_bytes * decoder.hidden_size
        last_norm = 4 * decoder.hidden_size  # otherwise in place of the first one, whose input needs no gradient
        layers = inputs + last_norm + saved_by_layer(decoder, method)
    copied = 2 * decoder.kv_size * method.product_bytes * decoder.num_layers * rows * behind
    return tokens * layers + masks(decoder, method, rows, length, behind) + copied


def masks(decoder: Decoder, method: Method, rows: int, length: float, behind: float = 0.0) -> float:
    """What the blocks of attention may see, once for all layers, and once for each head that shares its keys.

    Of long rows no more than one block's is there at a time.
    """
    groups = decoder.num_heads / decoder.num_kv_heads
    if length + behind > LONG:
        return method.product_bytes * groups * rows * min(length, QUERIES) * (length + behind)
    return method.product_bytes * groups * rows * pairs(length, behind)


def cast_weights(shape: Shape, method: Method) -> float:
    """Copies in bfloat16 that autocast makes of float32 weights and that live until the backward pass.

    Trained ones are kept whatever happens, frozen ones by layers that are not computed again.
    """
    if not method.autocast:
        return 0.0
    kept = 2.0 * num_trained(shape, method)
    if method.weight_bytes == 4 and method.trained == "adapter" and not method.checkpointed:
        kept += 2.0 * (shape.decoder.linear + shape.decoder.embedding)
    return kept


def head(decoder: Decoder, method: Method, logits: float) -> float:
    """Logits in float32 with their gradient, and in the precision of products: one chunk of them."""
    at_once = min(logits, max(1, method.logits_at_once // decoder.vocab_size))
    return at_once * decoder.vocab_size * (8 + method.product_bytes)


def cache(decoder: Decoder, method: Method, rows: int, tokens: float, keeps_room: bool) -> float:
    """Keys and values of rows of so many tokens; where room is kept for them, values are as precise as keys."""
    key = method.weight_bytes
    value = key if keeps_room else method.product_bytes
    return decoder.num_layers * decoder.kv_size * rows * tokens * (key + value)


def of_reading(shape: Shape, method: Method, batch: MicroBatch) -> dict[str, float]:
    """While the backward pass of a micro-batch with reference answers begins."""
    return {
        "activations": saved(shape, method, batch.rows, batch.length) + cast_weights(shape, method),
        "logits": head(shape.decoder, method, batch.answers),
    }


def of_rollout(shape: Shape, method: Method, rollout: Rollout, share: Share) -> dict[str, float]:
    """When answers of the greatest length have been decoded: the prompts' cache, and the one with the answers in it."""
    decoder = shape.decoder
    found: dict[str, float] = {}
    for batch in share if rollout.one_pass else joined(share):
        whole = batch.length + rollout.group_size * rollout.max_new_tokens
        parts = {
            "activations": saved(shape, method, batch.rows, batch.length) if rollout.one_pass else 0.0,
            "cache of prompts": cache(decoder, method, batch.rows, batch.length, False),
            "cache of answers": cache(decoder, method, batch.rows, whole, rollout.keeps_room),
            "logits": batch.rows * rollout.group_size * decoder.vocab_size * (4 + method.product_bytes),
        }
        found = max(found, parts, key=_sum)
    return found


def of_update(shape: Shape, method: Method, rollout: Rollout, batch: MicroBatch) -> dict[str, float]:
    """While the backward pass of an update on answers of the greatest length begins."""
    fed = rollout.group_size * (rollout.max_new_tokens - 1)
    logits = batch.rows * rollout.group_size * rollout.max_new_tokens
    if rollout.one_pass:
        kept = saved(shape, method, batch.rows, batch.length)
        kept += saved(shape, method, batch.rows, fed, batch.length)
        kept += cache(shape.decoder, method, batch.rows, fed, False)
    else:
        kept = saved(shape, method, batch.rows, batch.length + fed)
    return {
        "activations": kept + cast_weights(shape, method),
        "logits": head(shape.decoder, method, logits),
    }


def peak(shape: Shape, method: Method, work: Work, num_processes: int) -> dict[str, float]:
    """All parts, where they are the most together."""
    stays = {"base weights": weights(shape, method)} | training_state(shape, method, num_processes)
    if method.rollout is None:
        return stays | of_reading(shape, method, work.largest)
    phases = (
        of_rollout(shape, method, method.rollout, work.largest_share),
        of_update(shape, method, method.rollout, work.largest),
    )
    return stays | max(phases, key=_sum)


def _sum(parts: Mapping[str, float]) -> float:
    return sum(parts.values())


def result_on_disk(shape: Shape, method: Method) -> float:
    """What a stage stores: its adapter in float32, or the whole model as it was trained, a base in bfloat16."""
    if method.trained == "adapter":
        return 4.0 * num_trained(shape, method)
    ends = shape.decoder.embedding * (1 if shape.decoder.head_is_embedding else 2)
    of_each = 2.0 if method.trained == "everything" else method.weight_bytes
    return of_each * (shape.decoder.weights + ends + shape.encoder.weights)


def state_on_disk(shape: Shape, method: Method) -> float:
    """What a killed stage goes on from: trained weights and AdamW's moments; ZeRO-2 adds its copy of the weights."""
    return (16.0 if method.sharded else 12.0) * num_trained(shape, method)


def readable(num_bytes: float) -> str:
    """In the unit that fits.

    >>> readable(15_300_000_000.0), readable(80_740_352.0), readable(999_700_000.0)
    ('15.3 GB', '80.7 MB', '1 GB')
    """
    unit = min(max(int(math.log10(float(f"{num_bytes:.3g}"))) // 3, 0), 4) if num_bytes >= 1 else 0
    return f"{num_bytes / 1000**unit:.3g} {('B', 'kB', 'MB', 'GB', 'TB')[unit]}"
