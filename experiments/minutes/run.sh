#!/usr/bin/env bash
# Recordings of a minute, heard in windows by the models of experiments/moments, which are trained first where they are
# not there yet.
#   bash experiments/minutes/run.sh          three seeds
#   bash experiments/minutes/run.sh smoke    whether it all goes through, in minutes
set -euo pipefail
cd "$(dirname "$0")/../.."
PYTHON=${PYTHON:-.venv/bin/python} OUT=${OUT:-outputs/minutes} MODELS=${MODELS:-outputs/moments} SEEDS=${SEEDS:-1,2,3}

# What is kept of several windows was chosen on the first hundred recordings.
sizes=() skip=100 clips=100 votes=8
if [[ ${1:-} == smoke ]]; then
    shift
    OUT=${OUT%/}-smoke MODELS=${MODELS%/}-smoke SEEDS=1 skip=0 clips=2 votes=2 sizes=(sizes=smoke)
fi
IFS=, read -ra seeds <<<"$SEEDS"
for seed in "${seeds[@]}"; do
    "$PYTHON" -m timepro_lit.train +experiment=moments "${sizes[@]}" "seed=$seed" paths.outputs="$MODELS" \
        output_dir="$MODELS/moments/seed$seed" "$@"
    for row in sft grpo; do
        "$PYTHON" experiments/minutes/compare.py --run "$MODELS/moments/seed$seed" --row "$row" --skip "$skip" \
            --clips "$clips" --votes "$votes" --out "$OUT/$row-seed$seed"
    done
done
