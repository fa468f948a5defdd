#!/usr/bin/env bash
# A GRPO step at the shape of Qwen2.5-Omni-7B on one NVIDIA GPU: random weights, bfloat16, LoRA r 8, medians of three.
# Writes grpo_step_gpu.jsonl; PEAK_TFLOPS is the card's dense bfloat16 rate (H100 and H200: 989). One pass keeps the
# graph of MICRO_BATCH prompts, about 11 GB each, beside 16 GB of weights: 8 for 141 GB, 4 for 80 GB.
set -euo pipefail
cd "$(dirname "$0")"
python -m pytest -q ../../tests/grpo -k cuda
log=$(mktemp)
cases() {
    python grpo_step.py --shape 7b --vocabulary 152064 --device cuda --dtype bfloat16 --prompts 1500 --groups 4 \
        --micro-batch "${MICRO_BATCH:-4}" --peak-tflops "${PEAK_TFLOPS:-989}" --repeats 3 "$@" | tee -a "$log"
}
cases --num-prompts 16 --kl 0 --forms one_pass packed sft
cases --num-prompts 16 --kl 0 --forms naive --repeats 1
cases --num-prompts 16 --kl 0 --forms one_pass packed --no-capture
cases --num-prompts 16 --kl 0.04 --forms one_pass packed
cases --num-prompts 64 --kl 0 --forms greedy
cases --num-prompts 16 --kl 0 --forms one_pass --kernels --repeats 1
grep '^{' "$log" >grpo_step_gpu.jsonl
