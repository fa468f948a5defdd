#!/usr/bin/env bash
# The paper's Table 3 and Figure 2:
#   bash experiments/table3/run.sh                                           on the embedded model, five seeds; README.md
#   bash experiments/table3/run.sh +scale=paper trainer=deepspeed_zero2      at the paper's scale
#   bash experiments/table3/run.sh smoke                                     whether it all goes through, in minutes
# JOBS=2 runs two side by side, which on two cores takes three quarters of the time. The test split is opened when
# everything is trained. A second call goes on where the first one ended. Under Slurm: experiments/cluster/table3.sh,
# then the report below.
set -euo pipefail
cd "$(dirname "$0")/../.."
PYTHON=${PYTHON:-.venv/bin/python} OUT=${OUT:-outputs/table3} SEEDS=${SEEDS:-1,2,3,4,5} JOBS=${JOBS:-1}

settling=()
if [[ $# == 0 ]]; then
    set -- sizes=comparison
    settling=(1 2 3)
elif [[ $1 == smoke ]]; then
    shift
    OUT=${OUT%/}-smoke SEEDS=1
    set -- sizes=smoke "$@"
fi
IFS=, read -ra seeds <<<"$SEEDS"
((JOBS == 1)) || export OMP_NUM_THREADS=1

runs() { # the arguments of a run each, of these experiments
    for seed in "${seeds[@]}"; do
        for experiment in "$@"; do
            printf '%s\0' "+experiment=$experiment" "seed=$seed" "output_dir=$OUT/$experiment/seed$seed"
        done
    done
}
train() {
    xargs -0 -n 3 -P "$JOBS" "$PYTHON" -m timepro_lit.train paths.outputs="$OUT" "$@"
}

# Whether the baseline has settled: half of its steps on a schedule of their own.
for seed in "${settling[@]}"; do
    printf '%s\0' +experiment=ablation_sft_baseline "seed=$seed" "output_dir=$OUT/settling/seed$seed"
done | xargs -0 -r -n 3 -P "$JOBS" "$PYTHON" -m timepro_lit.train paths.outputs="$OUT" "$@" \
    sizes.sft.max_steps=1500 'rows=[]'

sft=(ablation_sft_baseline ablation_random_init ablation_astp)
grpo=(ablation_eb_f1_only ablation_adaptive) # which go on from the SFT of "+ ASTP"
runs "${sft[@]}" | train "$@" 'rows=[]'
runs "${grpo[@]}" | train "$@" 'rows=[]'
runs "${sft[@]}" "${grpo[@]}" | train "$@"

rows=("${sft[@]}" "${grpo[@]}")
"$PYTHON" -m timepro_lit.report "${rows[@]/#/$OUT/}" layout=table3 output_dir="$OUT/report"

model="$OUT/ablation_adaptive/seed${seeds[0]}"
first='import json, sys; print(next(row["id"] for row in map(json.loads, sys.stdin) if row["task"] == "ag"))'
example=$("$PYTHON" -c "$first" <"$model/evaluation/grpo/predictions.jsonl")
rm -rf "$OUT/attention"  # of an earlier call, and the same models
"$PYTHON" -m timepro_lit.attend checkpoint="$model" task=ag split=test example="$example" \
    output_dir="$OUT/attention/picture"
"$PYTHON" -m timepro_lit.attend checkpoint="$model" task=ag split=test \
    "against=[$OUT/ablation_astp/seed${seeds[0]},$OUT/ablation_random_init/seed${seeds[0]}]" output_dir="$OUT/attention/share"
"$PYTHON" experiments/table3/results.py "$OUT"
"$PYTHON" experiments/table3/tables.py "$OUT/results.json"
