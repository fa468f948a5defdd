"""Loading what comes from the Hugging Face hub or lies in a folder of its format, with every check before a weight."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import copy
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoTokenizer,
    GenerationConfig,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.utils import cached_file, logging

from timepro_lit.files.json_object import read_object
from timepro_lit.lalm.attention import SDPA_IN_BLOCKS
from timepro_lit.lalm.base import LALM
from timepro_lit.lalm.frontend import WINDOW_S, AudioPath, Chat, Frontend, template_chat
from timepro_lit.lalm.quantization import Quantization, four_bit
from timepro_lit.lalm.shared_folder import check_checkpoint
from timepro_lit.time_prompt.prompt import TimePrompt


class Pretrained:
    """A `Backbone` that is loaded: one subclass per model family says how, in the class attributes.

    Args:
        checkpoint: a folder in the Hugging Face format, or a name on the hub.
        dtype: of the base weights.
        attn_implementation: of the language model and the encoder: sdpa or eager.
        revision: of the hub's repository; None = its default branch.
        local_files_only: never ask the hub.
        gradient_checkpointing: compute the language model's layers again in the backward pass: less memory, more time.
        quantization: "nf4" holds the language model's linear layers in four bits (the extra `quantization`).
        max_duration_s: the longest clip that is prompted about, as far as the family hears; None = 30 s.

    Raises ValueError or OSError, in one sentence and before any weight is read, for a checkpoint that is not there, is
    of another model, or lacks a part; only safetensors are read.
    """

    model_types: ClassVar[tuple[str, ...]]
    """`model_type` of the configurations it loads."""
    outer_class: ClassVar[type[PreTrainedModel]]
    """The Hugging Face task model."""
    lalm_class: ClassVar[type[LALM]]
    audio: AudioPath
    """Of a loader, up to its `max_duration_s`."""
    end_token: ClassVar[str]
    """What ends the assistant's turn."""
    chat: ClassVar[Chat] = staticmethod(template_chat)
    kept_in_dtype: ClassVar[tuple[str, ...]] = (
        "model.audio_tower",
        "model.multi_modal_projector",
        "model.visual",
        "lm_head",
    )
    """Parts that are never quantised."""
    whole_prefix: ClassVar[str] = ""
    """As of `Backbone`."""

    def __init__(
        self,
        checkpoint: str,
        dtype: str = "bfloat16",
        attn_implementation: str = "sdpa",
        revision: str | None = None,
        local_files_only: bool = False,
        gradient_checkpointing: bool = False,
        quantization: Quantization | None = None,
        capture_steps: bool = True,
        max_duration_s: float | None = None,
    ) -> None:
        if attn_implementation not in ("sdpa", "eager"):
            raise ValueError(
                f"attn_implementation must be sdpa or eager, which take the masks of packed rows, "
                f"got {attn_implementation!r}"
            )
        if not isinstance(getattr(torch, dtype, None), torch.dtype):
            raise ValueError(f"dtype must name a type of torch, bfloat16 or float32, got {dtype!r}")
        self.checkpoint = checkpoint
        self.dtype = dtype
        self.attn_implementation = attn_implementation
        self.revision = revision
        self.local_files_only = local_files_only
        self.gradient_checkpointing = gradient_checkpointing
        self.quantization = quantization
        self.capture_steps = capture_steps
        try:
            self.audio = type(self).audio.up_to(WINDOW_S if max_duration_s is None else max_duration_s)
        except ValueError as error:
            raise ValueError(f"max_duration_s: {type(self).__name__} {error}") from error

    def at(self, checkpoint: Path) -> Self:
        """The same with the weights in another folder."""
        other = copy(self)
        other.checkpoint, other.revision = str(checkpoint), None
        return other

    def make_checkpoint(self, texts: Callable[[], Iterable[str]]) -> None:
        """The checkpoint is there already or comes from the hub."""

    def frontend(self, time_prompt: TimePrompt | None) -> Frontend:
        """Tokenizer and feature extractor, loaded on their own: a processor would bring those of images and videos."""
        config = self.config()
        tokenizer = self._part(AutoTokenizer, "tokenizer")
        if self.chat is template_chat:
            tokenizer.chat_template = self._chat_template(tokenizer.chat_template)
        end_id = tokenizer.convert_tokens_to_ids(self.end_token)
        if end_id is None or end_id == tokenizer.unk_token_id:
            raise ValueError(f"the tokenizer of {self.checkpoint} does not know {self.end_token}, which ends a turn")
        frontend = Frontend(
            tokenizer=tokenizer,
            feature_extractor=self._part(AutoFeatureExtractor, "feature extractor (preprocessor_config.json)"),
            audio=self.audio,
            audio_id=config.audio_token_id,
            end_ids=dict.fromkeys((end_id, *self._ends_of_generation())),
            first_timestamp_id=config.text_config.vocab_size,
            time_prompt=time_prompt,
            chat=self.chat,
        )
        self._check_positions(frontend, config.text_config.max_position_embeddings)
        return frontend

    def load(self, time_prompt: TimePrompt | None, whole: bool = False) -> LALM:
        """The model with its timestamp table; base weights frozen.

        Without its vision tower, unless it is to be `whole`, so that it can be stored again.
        """
        frontend = self.frontend(time_prompt)
        self._check_weights()
        logging.disable_progress_bar()  # a bar per loaded file says nothing about the run
        quantized = {} if self.quantization is None else {"quantization_config": four_bit(self.kept_in_dtype)}
        config, outer_class = self.config(), self.outer_class
        without_sight = not whole and hasattr(config, "vision_config")
        if without_sight:
            config.vision_config.depth = 0
            outer_class = _without_blocks(outer_class)
        model = outer_class.from_pretrained(
            self.checkpoint,
            config=config,
            dtype=getattr(torch, self.dtype),
            attn_implementation=self.attn_implementation,
            use_safetensors=True,
            **self._where(),
            **quantized,
        )
        if without_sight:
            del model.model.visual  # what little is left of it
        model.requires_grad_(False)
        if self.attn_implementation == "sdpa":
            model.model.language_model.config._attn_implementation = SDPA_IN_BLOCKS
        if self.gradient_checkpointing:
            model.model.language_model.activation_checkpointing_enable({"use_reentrant": False})
        table = timestamp_table(time_prompt, frontend, model.get_input_embeddings().weight)
        lalm = self.lalm_class(model, frontend, table, time_prompt is not None and time_prompt.share_positions)
        lalm.capture_steps = self.capture_steps
        lalm.is_whole = not without_sight
        return lalm

    def _where(self) -> dict[str, Any]:
        return {"revision": self.revision, "local_files_only": self.local_files_only}

    def config(self) -> PreTrainedConfig:
        """The configuration of the task model; of a model that holds it as its thinker, the thinker's."""
        if _looks_local(self.checkpoint) and not (Path(self.checkpoint) / "config.json").exists():
            raise FileNotFoundError(f"model.checkpoint = {self.checkpoint}: no config.json there")
        check_checkpoint(Path(self.checkpoint))
        config = self._part(AutoConfig, "configuration (config.json)")
        if config.model_type not in self.model_types:
            wanted = " or ".join(self.model_types)
            raise ValueError(f"model.checkpoint = {self.checkpoint} is of type {config.model_type}, not {wanted}")
        return getattr(config, "thinker_config", config)

    def cached(self, name: str) -> Path | None:
        """As of `Backbone`."""
        path = cached_file(self.checkpoint, name, _raise_exceptions_for_missing_entries=False, **self._where())
        return None if path is None else Path(path)

    def _part(self, loader: Any, name: str) -> Any:
        try:
            return loader.from_pretrained(self.checkpoint, trust_remote_code=False, **self._where())
        except (OSError, ValueError, KeyError) as error:
            reason = str(error).split("\n")[0]
            raise ValueError(f"model.checkpoint = {self.checkpoint}: no {name} can be loaded: {reason}") from error

    def library_template(self) -> str | None:
        """The chat template of a family whose published files hold none: the library's processor brings it."""
        return None

    def _chat_template(self, of_tokenizer: Any) -> Any:
        """The tokenizer's where it knows of audio, else the processor's, else the library's, else the tokenizer's."""
        if isinstance(of_tokenizer, str) and "audio" in of_tokenizer.lower():
            return of_tokenizer
        if (path := self.cached("chat_template.json")) is not None:
            template = read_object(path).get("chat_template")
            if not isinstance(template, str):
                raise ValueError(f"{path}: chat_template is no text")
            return template
        template = self.library_template() or of_tokenizer
        if not template:
            raise ValueError(f"model.checkpoint = {self.checkpoint} has no chat template: is it an instruction model?")
        return template

    def _ends_of_generation(self) -> list[int]:
        """What ends an answer besides the end of the turn, by the checkpoint's own generation settings."""
        try:
            ends = GenerationConfig.from_pretrained(self.checkpoint, **self._where()).eos_token_id
        except OSError:
            return []
        return ends if isinstance(ends, list) else [] if ends is None else [ends]

    def _check_positions(self, frontend: Frontend, num_known: int) -> None:
        """Raise ValueError where the longest clip takes more positions than the language model was made for."""
        num_frames = frontend.num_frames(round(frontend.max_duration_s * frontend.sampling_rate))
        shared = frontend.time_prompt is not None and frontend.time_prompt.share_positions
        num_positions = num_frames if shared else frontend.num_audio_tokens(num_frames)
        if num_positions >= num_known:
            raise ValueError(
                f"model.max_duration_s: a prompt about {frontend.max_duration_s:g} s takes {num_positions} positions, "
                f"and {self.checkpoint} was made for {num_known}: a larger time_prompt.stride takes fewer"
            )

    def _check_weights(self) -> None:
        folder = Path(self.checkpoint)
        if folder.is_dir() and not list(folder.glob("*.safetensors")):
            raise ValueError(f"model.checkpoint = {self.checkpoint} holds no *.safetensors, and nothing else is read")


def timestamp_table(time_prompt: TimePrompt | None, frontend: Frontend, embeddings: Tensor) -> Tensor | None:
    """(K, D) frozen timestamp rows in the dtype of `embeddings`; None where timestamps have none."""
    if time_prompt is None or frontend.grid is None:
        return None
    table = time_prompt.table(frontend.grid, frontend.tokens, embeddings)
    return None if table is None else table.to(embeddings.dtype)


def _without_blocks(outer_class: type[PreTrainedModel]) -> type[PreTrainedModel]:
    """The class under its own name, which knows that the vision tower's blocks in a checkpoint are left out."""
    known = outer_class._keys_to_ignore_on_load_unexpected or ()
    also = {"_keys_to_ignore_on_load_unexpected": [*known, r"visual\.blocks\."], "__module__": outer_class.__module__}
    return type(outer_class.__name__, (outer_class,), also)


def _looks_local(checkpoint: str) -> bool:
    return checkpoint.startswith(("/", ".", "~")) or checkpoint.count("/") != 1


def token_counter(checkpoint: str) -> Callable[[str], int]:
    """How many tokens an answer takes, its end of turn included, by the tokenizer of a checkpoint."""
    tokenizer = AutoTokenizer.from_pretrained(checkpoint, trust_remote_code=False)

    def count(text: str) -> int:
        return len(tokenizer(text, add_special_tokens=False)["input_ids"]) + 1

    return count
