#!/usr/bin/env bash
# Where the time prompt should matter: clips of 2 to 10 s in training, tested on such clips and on 10, 15 and 20 s.
#   bash experiments/long/run.sh          many hours on two cores; JOBS=2 runs two side by side
#   bash experiments/long/run.sh smoke    whether it all goes through, in minutes
# A second call goes on where the first one ended.
set -euo pipefail
cd "$(dirname "$0")/../.."
PYTHON=${PYTHON:-.venv/bin/python} OUT=${OUT:-outputs/long} SEEDS=${SEEDS:-1,2} JOBS=${JOBS:-1}

sizes=comparison clips=500
base=()
if [[ ${1:-} == smoke ]]; then
    shift
    OUT=${OUT%/}-smoke SEEDS=1 sizes=smoke clips=4
    base=('sizes.data.num_clips={base: 24, val: 4}' sizes.pretrain.max_steps=3 sizes.pretrain.batch_size=4
        sizes.pretrain.micro_batch_size=4 sizes.pretrain.val_check_interval=3 sizes.pretrain.listening_steps=1)
fi
IFS=, read -ra seeds <<<"$SEEDS"
rows=(ablation_sft_baseline ablation_random_init ablation_astp ablation_adaptive)

"$PYTHON" -m timepro_lit.train +experiment=long_base "${base[@]}" paths.outputs="$OUT" \
    output_dir="$OUT/long_base/seed1" "$@"

((JOBS == 1)) || export OMP_NUM_THREADS=1
for row in "${rows[@]}"; do
    for seed in "${seeds[@]}"; do
        printf '%s\0' "+experiment=$row" "seed=$seed" "output_dir=$OUT/$row/seed$seed"
    done
done | xargs -0 -n 3 -P "$JOBS" "$PYTHON" -m timepro_lit.train model=tiny_long data=soundscapes_long "sizes=$sizes" \
    paths.outputs="$OUT" "$@"

for seconds in 10 15 20; do
    for row in "${rows[@]}"; do
        last=sft
        [[ $row == ablation_adaptive ]] && last=grpo
        for seed in "${seeds[@]}"; do
            printf '%s\0' "run=$OUT/$row/seed$seed" "rows=[$last]"
        done
    done | xargs -0 -n 2 -P "$JOBS" "$PYTHON" -m timepro_lit.evaluate data=soundscapes_long "data.corpus.clip_s=$seconds" \
        data.corpus.clip_spread_s=0 "data.corpus.num_clips={test: $clips}" "$@"
done

"$PYTHON" -m timepro_lit.report "${rows[@]/#/$OUT/}" layout=table3 output_dir="$OUT/report"
"$PYTHON" experiments/long/results.py "$OUT"
