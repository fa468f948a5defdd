"""A small real transformers decoder behind the protocol, with a few prompts for it."""

from __future__ import annotations

from copy import copy
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from transformers import DynamicCache, Qwen2Config, Qwen2Model
from transformers.models.qwen2_5_omni import Qwen2_5OmniTextConfig, Qwen2_5OmniThinkerTextModel

from timepro_lit.lalm.cache import FixedLayer, joined_layer

VOCABULARY = 23
SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.3,  # so that attention is far from uniform and every gradient far from zero
}


class TinyLALM(nn.Module):
    end_ids = (1, 2)
    vocab_size = VOCABULARY
    pad_id = 0
    steps_are_captured = False

    def __init__(self, inner: nn.Module, num_position_rows: int) -> None:
        super().__init__()
        self.inner = inner
        self.num_position_rows = num_position_rows
        self.head = nn.Linear(SIZES["hidden_size"], VOCABULARY, bias=False)
        nn.init.normal_(self.head.weight, std=1.0)  # peaked enough for answers to differ and to end
        nn.init.normal_(inner.embed_tokens.weight, std=1.0)

    def embed(self, ids, frames):
        return self.inner.embed_tokens(ids)

    def decode(self, embeds, positions, mask, cache):
        if self.num_position_rows > 1:
            positions = positions.expand(self.num_position_rows, *positions.shape)
        mask = mask[:, None]  # (B, 1, L, K): the same for every head
        kwargs = {"use_cache": cache is not None, "past_key_values": cache}
        return self.inner(inputs_embeds=embeds, position_ids=positions, attention_mask=mask, **kwargs).last_hidden_state

    def logits(self, hidden):
        return self.head(hidden).float()

    def new_cache(self):
        return DynamicCache()

    def fork(self, cache):
        forked = copy(cache)
        forked.layers = [copy(layer) for layer in cache.layers]
        return forked

    def fork_to_roll_out(self, cache, num_tokens=None):
        forked = self.fork(cache)
        if num_tokens is not None:
            forked.layers = [FixedLayer(layer, num_tokens) for layer in cache.layers]
        return forked

    def join(self, caches):
        joined = copy(caches[0])
        joined.layers = [joined_layer(layers) for layers in zip(*(cache.layers for cache in caches), strict=True)]
        return joined

    def select(self, cache, rows):
        cache.batch_select_indices(rows)
        return cache


def _omni():
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1]}
    config = Qwen2_5OmniTextConfig(**SIZES, rope_parameters=rope, use_sliding_window=False)
    return TinyLALM(Qwen2_5OmniThinkerTextModel(config), num_position_rows=3)


def _qwen2():
    return TinyLALM(Qwen2Model(Qwen2Config(**SIZES, use_sliding_window=False)), num_position_rows=1)


@pytest.fixture(params=[_qwen2, _omni], ids=["qwen2", "qwen2_5_omni"])
def lalm(request):
    torch.manual_seed(0)
    return request.param().eval()


@pytest.fixture
def prompts(lalm):
    """Three prompts of 3, 7 and 5 tokens, left-padded to 7, as ids, embeds (detached) and mask."""
    ids = torch.randint(3, VOCABULARY, (3, 7), generator=torch.Generator().manual_seed(1))
    mask = torch.arange(7) >= torch.tensor([[4], [0], [2]])
    return SimpleNamespace(embeds=lalm.embed(ids, None).detach(), mask=mask, ids=ids, lengths=(3, 7, 5))
