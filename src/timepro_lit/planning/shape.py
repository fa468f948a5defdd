"""The sizes of an audio-language model that its cost depends on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Decoder:
    """The language model, its embedding and its head. Counts of numbers, whatever their precision."""

    num_layers: int
    hidden_size: int
    num_heads: int
    num_kv_heads: int
    head_size: int
    inner_size: int
    """Of the feed-forward layers that a token goes through; of a mixture, those of its experts together."""
    vocab_size: int
    weights: int
    """All of the layers and norms, every expert included; embedding and head aside."""
    linear: int
    """Those that one token is multiplied with."""
    first_linear: int
    """Of these, the projections to queries, keys and values in the first layer."""
    adapted: int
    """Of them again, those that may be held in four bits and are given an adapter."""
    adapter_features: int
    """Inputs and outputs of all layers with an adapter: weights of LoRA to each rank."""
    num_adapted: int
    """How many layers have an adapter."""
    head_is_embedding: bool = False

    @property
    def embedding(self) -> int:
        """Weights of the input embeddings, and of the head."""
        return self.hidden_size * self.vocab_size

    @property
    def attention(self) -> int:
        """Numbers in the queries of all layers, for one token."""
        return self.num_layers * self.num_heads * self.head_size

    @property
    def kv_size(self) -> int:
        """Numbers in the keys of one layer, for one token; as many in its values."""
        return self.num_kv_heads * self.head_size


@dataclass(frozen=True, slots=True)
class Encoder:
    """The audio encoder and the projection behind it."""

    weights: int
    linear: int
    """Weights that one position is multiplied with, in all layers."""
    attention: int
    """Numbers in the queries of all layers, for one position."""
    positions_per_s: float
    window: int
    """Positions that attend each other, at most."""
    padded_s: float | None
    """What every clip is padded to, in seconds; None where clips are taken as they are."""
    stem_flops_per_s: float
    """Of the convolutions, to a second of audio."""
    projection: int
    """Weights that one audio frame is multiplied with, behind the layers."""
    frames_per_s: float


@dataclass(frozen=True, slots=True)
class Shape:
    """The whole model."""

    decoder: Decoder
    encoder: Encoder
