#!/usr/bin/env bash
# `make bench`: every benchmark, one after the other; ratios hold on a busy machine, seconds do not.
set -euo pipefail
cd "$(dirname "$0")"
python metrics.py
python answer_logits.py
python data.py
python sft_throughput.py
python grpo_step.py --prompts 1500 --kl 0 --groups 4 8 --forms one_pass packed naive sft --trl
