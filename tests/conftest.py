"""What every test runs under: one thread (the tensors are tiny), no model hub, no upload; and public corpora, small;
and a trained model's folders."""

from __future__ import annotations

import json
import os
from pathlib import Path

# Read once by the libraries when they are imported, so set before any test module is; subprocesses inherit them.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["WANDB_MODE"] = "offline"

import numpy as np
import pytest
import soundfile
from hypothesis import settings

# The same strings in every `make test`; other ones each time in `make fuzz` (ten strings to an example).
settings.register_profile("test", max_examples=2_000, deadline=None, derandomize=True, database=None)
settings.register_profile("fuzz", max_examples=100_000, deadline=None, database=None)
settings.load_profile("test")


HEADER = "filename\tonset\toffset\tevent_label"


def noise(path: Path, duration_s: float, seed: int = 0) -> None:
    """A recording of white noise at 16 kHz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(seed).uniform(-0.5, 0.5, round(16_000 * duration_s))
    soundfile.write(path, samples, 16_000, format="WAV")


@pytest.fixture
def desed(tmp_path: Path) -> Path:
    """DESED in miniature, in the folders of DESED_task, with what its files are known to hold."""
    root = tmp_path / "desed"
    tsv = {
        # Windows line ends; a clip that is also in validation; times past the end; a label of another corpus
        "train/audioset_strong.tsv": "\r\n".join([
            HEADER, "YrqfQRErjfk8_30.000_40.000.wav\t0.1\t0.9\tDog", "YrqfQRErjfk8_30.000_40.000.wav\t0.5\t2.6\tSpeech",
            "YrqfQRErjfk8_30.000_40.000.wav\t3.0\t3.5\tCat", "Yvvvvvvvvvvv_0.000_10.000.wav\t0.0\t1.0\tDog",
            "Ybbbbbbbbbbb_0.000_10.000.wav\t0.0\t1.0\tVuvuzela", "Ymissing0000_0.000_10.000.wav\t0.0\t1.0\tDog", "",
        ]),
        # a byte order mark
        "train/synthetic21_train/soundscapes.tsv": "\ufeff" + "\n".join(
            [HEADER, *(f"{n}.wav\t0.250\t1.125\tBlender" for n in range(1, 4)), "\n"]),
        # a clip that holds no event
        "validation/validation.tsv": "\n".join([
            HEADER, "Yvvvvvvvvvvv_0.000_10.000.wav\t0.0\t1.5\tDog", "Yvvvvvvvvvvv_0.000_10.000.wav\t1.0\t1.8\tCat",
            "Ywwwwwwwwwww_5.000_15.000.wav\t\t\t", "Yb0RFKhbpFJA_5.000_15.000.wav\t0.2\t0.4\tFrying\n",
        ]),
        "eval/public.tsv": f"{HEADER}\nYpublic00000_1.000_11.000.wav\t0.2\t0.4\tFrying\n",
    }  # fmt: skip
    for name, text in tsv.items():
        path = root / "metadata" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    strong = root / "audio/train/strong_label_real"
    noise(strong / "YrqfQRErjfk8_30.000_40.000.wav", 2.0)
    noise(strong / "Ybbbbbbbbbbb_0.000_10.000.wav", 2.0)
    noise(strong / "Yvvvvvvvvvvv_0.000_10.000.wav", 2.0)
    for n in range(1, 4):  # only the resampled copies are there
        noise(root / f"audio/train/synthetic21_train/soundscapes_16k/{n}.wav", 1.5, seed=n)
    for name in ("Yvvvvvvvvvvv_0.000_10.000", "Ywwwwwwwwwww_5.000_15.000", "Yb0RFKhbpFJA_5.000_15.000"):
        noise(root / f"audio/validation/validation/{name}.wav", 2.0)
    noise(root / "audio/eval/public/Ypublic00000_1.000_11.000.wav", 2.0)
    return root


def ftar_item(id_: str, audio: str, question: str, answer: object, duration: object = 2.0) -> dict[str, object]:
    return {"id": id_, "audio": audio, "question": question, "answer": answer, "duration": duration}


@pytest.fixture
def ftar(tmp_path: Path) -> Path:
    """FTAR in miniature; its paths are those of the machine that wrote them, /corpus/."""
    root = tmp_path / "ftar"

    def asks(query: str) -> str:
        return f"What are the start and end times of audio matching '{query}'?"

    grounding = [
        ftar_item("g1", "/corpus/wav/Yaudio000001.wav", asks("a dog's bark"), "0.5 - 1.25"),
        ftar_item("g1", "/corpus/wav/Yaudio000001.wav", asks("a cat meows"), "From 0.0 - 0.75 seconds."),
        ftar_item("g1", "/corpus/wav/Yaudio000001.wav", asks("a cat meows"), "From 0.0 - 0.75 seconds."),  # again
        ftar_item("g2", "/corpus/wav/Yaudio000002.wav", asks("rain"), "1.5 - 2.5"),  # past the end
        ftar_item("g3", "/corpus/wav/Yaudio000002.wav", asks("thunder"), "7.0 - 8.5"),
        ftar_item("g4", "/corpus/wav/Yaudio000003.wav", "What are the start and end times?", "0.1 - 0.2"),
        ftar_item("g5", "/corpus/wav/Yaudio000003.wav", asks("a bell"), "I cannot hear it"),
        ftar_item("g6", "/elsewhere/wav/Yaudio000003.wav", asks("a bell"), "0.1 - 0.2"),
        ftar_item("g7", "/corpus/../secret.wav", asks("a bell"), "0.1 - 0.2"),
        ftar_item("g8", "/corpus/wav/link.wav", asks("a bell"), "0.1 - 0.2"),
        ftar_item("g9", "/corpus/wav/half.wav", asks("a bell"), "0.1 - 0.2"),
        ftar_item("g10", "/corpus/wav/silent.wav", asks("a bell"), "0.1 - 0.2"),
        ftar_item("g11", "/corpus/wav/page.wav", asks("a bell"), "0.1 - 0.2"),
    ]
    question = "What events can you detect in the sound with the start and end timestamps?"
    captioning = [
        ftar_item("c1", "/corpus/wav/Yaudio000001.wav", question,
                  "0.0 - 0.5, a 2-3 second beep\n0.75 - 2.0, a 12-15 year old boy speaks"),
        ftar_item("c2", "/corpus/wav/Yaudio000003.wav", question, "a dog barks: 0.0 - 0.5; rain, 1.0 - 1.9."),
        ftar_item("c3", "/corpus/wav/Yaudio000004.wav", question, ["0.0 - 0.5, rain"]),
        ftar_item("c4", "/corpus/wav/Yaudio000004.wav", question, "0.0 - 0.5, rain", "long"),
    ]  # fmt: skip
    for file, items in (("temporal_audio_grounding", grounding), ("dense_audio_caption", captioning)):
        path = root / f"train/{file}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(items))
    for n in range(1, 5):
        noise(root / f"wav/Yaudio00000{n}.wav", 2.0, seed=n)
    noise(tmp_path / "outside.wav", 2.0)
    noise(root / "wav/half.wav", 1.0)
    (root / "wav/link.wav").symlink_to("../../outside.wav")
    soundfile.write(root / "wav/silent.wav", np.zeros(32_000), 16_000)
    (root / "wav/page.wav").write_text("<html>404</html>")
    return root


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `run`, as a training leaves it, and `exported`, an adapter as `export` writes it."""
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    from timepro_lit.inference.exporting import export
    from timepro_lit.lalm.checkpoint import ModelSource
    from timepro_lit.lalm.lora import LoRA
    from timepro_lit.settings.config import build_source
    from timepro_lit.settings.schemas import CONF, register
    from timepro_lit.settings.stored import read_settings, to_store

    folder = tmp_path_factory.mktemp("shared")
    result = folder / "run" / "sft" / "result"
    result.mkdir(parents=True)
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        small = ["+experiment=ablation_astp", "model.dtype=float32", "trainer.precision=32-true"]
        OmegaConf.save(OmegaConf.create(to_store(compose("train", small))), folder / "run" / "config.yaml")
    source = ModelSource(*build_source(read_settings(folder / "run")), LoRA(rank=2))
    source.save_adapter(source.load(), result / "adapter")
    export(folder / "run", folder / "exported", "adapter")
    return folder
