#!/usr/bin/env bash
# The paper's Table 3 and Figure 2, one process after the other:
#   bash experiments/table3/run.sh                                           on the embedded model, three seeds
#   bash experiments/table3/run.sh +scale=paper trainer=deepspeed_zero2      at the paper's scale
#   bash experiments/table3/run.sh smoke                                     whether it all goes through, in minutes
# A second call goes on where the first one ended. Under Slurm: experiments/cluster/table3.sh, then the report below.
set -euo pipefail
cd "$(dirname "$0")/../.."
PYTHON=${PYTHON:-.venv/bin/python} OUT=${OUT:-outputs/table3} SEEDS=${SEEDS:-1,2,3}

if [[ ${1:-} == smoke ]]; then
    shift
    OUT=${OUT%/}-smoke SEEDS=1
    set -- sizes=smoke "$@"
fi
IFS=, read -ra seeds <<<"$SEEDS"

# "+ ASTP" before the two rows that go on from its SFT, so that it is trained once.
for experiment in ablation_sft_baseline ablation_random_init ablation_astp ablation_eb_f1_only ablation_adaptive; do
    for seed in "${seeds[@]}"; do
        "$PYTHON" -m timepro_lit.train +experiment="$experiment" "$@" seed="$seed" paths.outputs="$OUT" \
            output_dir="$OUT/$experiment/seed$seed"
    done
done

"$PYTHON" -m timepro_lit.report "$OUT" layout=table3 output_dir="$OUT/report"

model="$OUT/ablation_adaptive/seed${seeds[0]}"
first='import json, sys; print(next(row["id"] for row in map(json.loads, sys.stdin) if row["task"] == "ag"))'
example=$("$PYTHON" -c "$first" <"$model/evaluation/grpo/predictions.jsonl")
rm -rf "$OUT/attention"  # of an earlier call, and the same models
"$PYTHON" -m timepro_lit.attend checkpoint="$model" task=ag split=test example="$example" \
    output_dir="$OUT/attention/picture"
"$PYTHON" -m timepro_lit.attend checkpoint="$model" task=ag split=test \
    "against=[$OUT/ablation_random_init/seed${seeds[0]}]" output_dir="$OUT/attention/share"
