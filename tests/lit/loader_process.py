"""Reads a training loader and notes each batch's hash and the loader's state; the test of a killed run kills it.

python loader_process.py FOLDER NUM_WORKERS LOG STATE: goes on from STATE where there is one.
"""

from __future__ import annotations

import hashlib
import sys
import time
from pathlib import Path

import torch

from timepro_lit.data.corpora.prepared import Prepared
from timepro_lit.files.atomic import replacing
from timepro_lit.lalm.qwen2_5_omni import Qwen2_5Omni
from timepro_lit.lit.datamodule import ClipDataModule
from timepro_lit.records import Interviews
from timepro_lit.settings.schemas import ROOT
from timepro_lit.tasks.grounding import Grounding
from timepro_lit.time_prompt.prompt import TimePrompt


def digest(batch: Interviews) -> str:
    parts = [tensor.numpy().tobytes() for tensor in (batch.features, batch.feature_mask, batch.ids, batch.branch)]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def main(folder: str, num_workers: str, log: str, state: str) -> None:
    data = ClipDataModule(Prepared(folder), {"ag": Grounding()}, num_workers=int(num_workers))
    data.connect(Qwen2_5Omni(str(ROOT / "src/timepro_lit/assets/tiny_base")).frontend(TimePrompt()))
    loader = data.train_loader(8, num_epochs=2, seed=3, rows="question", micro_batch_tokens=600)
    num_read = 0
    if Path(state).exists():
        saved = torch.load(state, weights_only=False)
        num_read = saved["num_read"]
        loader.load_state_dict(saved["loader"])
    with Path(log).open("a") as lines:
        for batch in loader:
            num_read += 1
            with replacing(Path(state)) as file:
                torch.save({"num_read": num_read, "loader": loader.state_dict()}, file)
            lines.write(digest(batch) + "\n")
            lines.flush()
            time.sleep(0.01)


if __name__ == "__main__":
    main(*sys.argv[1:])
