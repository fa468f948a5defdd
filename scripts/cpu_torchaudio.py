"""Let torchaudio be imported beside a torch without CUDA: the one place where an installed package is touched.

The Linux wheel of torchaudio 2.11 holds compiled files that are linked against CUDA libraries. Where torch is a CPU
build those libraries do not exist and `import torchaudio` fails. Without the compiled files torchaudio uses its
pure-torch code, which has all that this project needs (resampling, mel spectrograms). Where torch has CUDA, or where
the compiled files need none (torch's own CPU wheels, macOS), nothing is done. Run by `make setup`; safe to run again.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path


def remove_cuda_extensions(folder: Path) -> list[str]:
    """Remove the compiled files in `folder` that are linked against CUDA and return their names.

    The folder and its `__init__.py` stay: torchaudio asks whether `torchaudio.lib._torchaudio` exists, and without its
    parent package that question itself raises.
    """
    removed = []
    for path in sorted(folder.glob("*.so")):
        if b"libc10_cuda.so" in path.read_bytes():
            path.unlink()
            removed.append(path.name)
    return removed


def main() -> None:
    import torch  # here, so that the function above can be tested without it

    if torch.version.cuda is not None:
        return
    spec = importlib.util.find_spec("torchaudio")  # finds the package without importing it, which would fail
    if spec is None or spec.origin is None:
        raise SystemExit("torchaudio is not installed in this environment: run `make setup`.")
    removed = remove_cuda_extensions(Path(spec.origin).parent / "lib")
    if removed:
        print(f"torch has no CUDA: removed {', '.join(removed)} from torchaudio, which now uses its pure-torch code.")


if __name__ == "__main__":
    main()
