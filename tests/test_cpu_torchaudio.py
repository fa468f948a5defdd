"""The set-up step for torchaudio removes what needs CUDA and nothing else."""

from __future__ import annotations

import runpy
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "cpu_torchaudio.py"


def test_only_compiled_files_linked_against_cuda_go(tmp_path: Path) -> None:
    remove_cuda_extensions = runpy.run_path(str(SCRIPT))["remove_cuda_extensions"]
    (tmp_path / "__init__.py").write_text("# libc10_cuda.so")
    (tmp_path / "cpu.abi3.so").write_bytes(b"\x7fELF\0libtorch_cpu.so\0")
    (tmp_path / "gpu.abi3.so").write_bytes(b"\x7fELF\0libtorch_cpu.so\0libc10_cuda.so\0")

    assert remove_cuda_extensions(tmp_path) == ["gpu.abi3.so"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["__init__.py", "cpu.abi3.so"]
    assert remove_cuda_extensions(tmp_path) == []
