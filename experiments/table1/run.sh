#!/usr/bin/env bash
# The paper's Table 1 at its scale: each backbone zero-shot, fine-tuned, and with TimePro-RL; then the table.
#   bash experiments/table1/run.sh trainer=deepspeed_zero2
#   bash experiments/table1/run.sh +debug=plan                               what it would take, and nothing is trained
# Scores of other systems lie below $OUT/others (README.md beside this file) and stand in the same table.
set -euo pipefail
cd "$(dirname "$0")/../.."
PYTHON=${PYTHON:-.venv/bin/python} OUT=${OUT:-outputs/table1} SEEDS=${SEEDS:-1} MODELS=${MODELS:-qwen2_audio_7b,qwen2_5_omni_7b}
IFS=, read -ra seeds <<<"$SEEDS"
IFS=, read -ra models <<<"$MODELS"

for model in "${models[@]}"; do
    for experiment in zero_shot ablation_sft_baseline ablation_adaptive; do
        for seed in "${seeds[@]}"; do
            [[ $experiment == zero_shot && $seed != "${seeds[0]}" ]] && continue  # nothing of it depends on the seed
            "$PYTHON" -m timepro_lit.train +experiment="$experiment" +scale=paper model="$model" "$@" seed="$seed" \
                paths.outputs="$OUT" output_dir="$OUT/$model/$experiment/seed$seed"
        done
    done
done

[[ " $* " == *" +debug="* ]] || "$PYTHON" -m timepro_lit.report "$OUT" layout=table1 output_dir="$OUT/report"
