#!/usr/bin/env bash
# Ablations that the paper does not have, on the embedded model beside the rows of ../table3, whose stages they share:
#   bash experiments/ablations/run.sh          two seeds; hours on two cores, and JOBS=2 runs two side by side
#   bash experiments/ablations/run.sh smoke    whether it all goes through, in minutes
# A second call goes on where the first one ended. ROWS="ordered text" runs these alone.
set -euo pipefail
cd "$(dirname "$0")/../.."
PYTHON=${PYTHON:-.venv/bin/python} OUT=${OUT:-outputs/table3} SEEDS=${SEEDS:-1,2} JOBS=${JOBS:-1}
read -ra rows <<<"${ROWS:-ordered positions text rescue stride5 stride25 group4 group16 before}"

if [[ ${1:-} == smoke ]]; then
    shift
    OUT=${OUT%/}-smoke SEEDS=1
    set -- sizes=smoke "$@"
elif [[ $# == 0 ]]; then
    set -- sizes=comparison
fi
IFS=, read -ra seeds <<<"$SEEDS"
((JOBS == 1)) || export OMP_NUM_THREADS=1

sft=(astp) grpo=(adaptive) # first the row that the others change
for row in "${rows[@]}"; do
    case $row in
        rescue | group*) grpo+=("$row") ;;
        *) sft+=("$row") ;;
    esac
done
((${#sft[@]} > 1)) || sft=()
((${#grpo[@]} > 1)) || grpo=()

for row in "${sft[@]}" "${grpo[@]}"; do
    for seed in "${seeds[@]}"; do
        printf '%s\0' "+experiment=ablation_$row" "seed=$seed" "output_dir=$OUT/ablation_$row/seed$seed"
    done
done | xargs -0 -n 3 -P "$JOBS" "$PYTHON" -m timepro_lit.train paths.outputs="$OUT" "$@"

report() { # of the same seeds, so that differences are of pairs
    local folders=() row seed
    for row in "$@"; do
        for seed in "${seeds[@]}"; do
            folders+=("$OUT/ablation_$row/seed$seed")
        done
    done
    "$PYTHON" -m timepro_lit.report "${folders[@]}" baseline="ablation_$1" output_dir="$OUT/ablations/$1"
}
((${#sft[@]} == 0)) || report "${sft[@]}"
((${#grpo[@]} == 0)) || report "${grpo[@]}"
"$PYTHON" experiments/ablations/results.py "$OUT/ablations"
