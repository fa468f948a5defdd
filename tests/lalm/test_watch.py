"""What is attended to, as the library's own eager attention has it, on every backbone."""

from __future__ import annotations

import pytest
import torch

from timepro_lit.grpo.layout import branch_mask
from timepro_lit.lalm.attention import Watch


@torch.no_grad()
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_weights_are_those_of_eager_attention(family, attention: str) -> None:
    lalm = family.source(attention).load(None).eval()
    clips = family.waves((2.5, 4.0))
    ids, mask = family.prompts(lalm.frontend, clips)
    outer = family.source("eager").load(None).outer.eval()
    inputs = family.outer_inputs(lalm.frontend, clips)
    expected = outer(**inputs, output_attentions=True).attentions
    watch = Watch(range(len(expected)), num_queries=5, keys=torch.arange(ids.shape[1]))
    frames = lalm.encode_audio(*lalm.frontend.features(clips))
    embeds, positions = lalm.embed(ids, frames), lalm.positions(ids, mask)
    hidden = lalm.decode(embeds, positions, branch_mask(mask.long() - 1), watch=watch)
    torch.testing.assert_close(hidden, family.hidden_states(lalm, ids, mask, clips), atol=1e-4, rtol=0)
    assert list(watch.weights) == list(range(len(expected)))
    for layer, weights in watch.weights.items():
        torch.testing.assert_close(weights, expected[layer][:, :, -5:], atol=1e-5, rtol=0)
    assert lalm.language_model.config._attn_implementation != "eager" or attention == "eager"
