#!/usr/bin/env bash
# `make bench`: every benchmark that needs no GPU, one after the other; ratios hold on a busy machine, seconds do not.
set -euo pipefail
cd "$(dirname "$0")"
python metrics.py
python answer_logits.py
python data.py
python sft_throughput.py
python inference.py
./grpo.sh
