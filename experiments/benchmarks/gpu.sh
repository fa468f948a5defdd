#!/usr/bin/env bash
# A GRPO step at the shape of Qwen2.5-Omni-7B on one NVIDIA GPU: random weights, bfloat16, LoRA r 8, KL off and on.
# Writes grpo_step_gpu.jsonl; PEAK_TFLOPS is the card's dense bfloat16 rate (H100 and H200: 989).
set -euo pipefail
cd "$(dirname "$0")"
log=$(mktemp)
python grpo_step.py --shape 7b --vocabulary 152064 --device cuda --dtype bfloat16 --prompts 1500 --groups 4 \
    --num-prompts 16 --micro-batch "${MICRO_BATCH:-2}" --forms one_pass packed naive sft \
    --peak-tflops "${PEAK_TFLOPS:-989}" | tee "$log"
grep '^{' "$log" >grpo_step_gpu.jsonl
