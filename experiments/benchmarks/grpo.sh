#!/usr/bin/env bash
# Every case of the GRPO step that README.md shows, one line of JSON each in grpo_step.jsonl (an hour on two cores).
set -euo pipefail
cd "$(dirname "$0")"
log=$(mktemp)
cases() { python grpo_step.py "$@" | tee -a "$log"; }
cases --prompts 1500 --kl 0 --groups 4 --trl
cases --prompts 1500 --kl 0 --groups 8 --forms one_pass packed naive sft --trl
cases --prompts 1500 --kl 0 --groups 16 --forms one_pass packed naive
cases --prompts 1500 --kl 0.04 --groups 4 --forms one_pass packed naive --trl
cases --prompts 1500 --kl 0.04 --groups 8 --forms one_pass packed naive
cases --prompts 1500 --kl 0 --groups 4 --vocabulary 151936 --forms one_pass packed naive_answer_logits naive
cases --prompts 1500 --kl 0 --groups 4 8 --dtype bfloat16 --forms one_pass packed naive_answer_logits naive
cases --prompts 250 --kl 0 --groups 4 8 16 --forms one_pass packed naive sft --trl
cases --prompts 250 --kl 0.04 --groups 4 8 16 --forms one_pass packed naive
cases --prompts 750 --kl 0 --groups 8 --forms one_pass packed naive
grep '^{' "$log" >grpo_step.jsonl
