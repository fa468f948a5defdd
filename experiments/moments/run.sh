#!/usr/bin/env bash
# Many, one or no occurrences of a query, on the embedded model: SFT and GRPO with the segment reward, greedy answers
# and votes, and what queries that do not occur are good for.
#   bash experiments/moments/run.sh          three seeds, hours on two cores; JOBS=2 runs two side by side
#   bash experiments/moments/run.sh smoke    whether it all goes through, in minutes
# A second call goes on where the first one ended.
set -euo pipefail
cd "$(dirname "$0")/../.."
PYTHON=${PYTHON:-.venv/bin/python} OUT=${OUT:-outputs/moments} SEEDS=${SEEDS:-1,2,3} JOBS=${JOBS:-1}

clips=1000
if [[ ${1:-} == smoke ]]; then
    shift
    OUT=${OUT%/}-smoke SEEDS=1 clips=12
    set -- sizes=smoke "$@"
fi
IFS=, read -ra seeds <<<"$SEEDS"
((JOBS == 1)) || export OMP_NUM_THREADS=1

for seed in "${seeds[@]}"; do
    for experiment in moments moments_present; do
        printf '%s\0' "+experiment=$experiment" "seed=$seed" "output_dir=$OUT/$experiment/seed$seed"
    done
done | xargs -0 -n 3 -P "$JOBS" "$PYTHON" -m timepro_lit.train paths.outputs="$OUT" "$@"

# Those that were only asked for what occurs, on the questions of the others.
for seed in "${seeds[@]}"; do
    printf '%s\0' "run=$OUT/moments_present/seed$seed"
done | xargs -0 -n 1 -P "$JOBS" "$PYTHON" -m timepro_lit.evaluate 'rows=[sft]' data=moments "data.corpus.num_clips={test: $clips}"

# The base model is the same for every seed.
for seed in "${seeds[@]}"; do
    for row in $([[ $seed == "${seeds[0]}" ]] && echo zero_shot) sft grpo; do
        printf '%s\0' --run "$OUT/moments/seed$seed" --row "$row" --out "$OUT/votes/$row-seed$seed"
    done
done | xargs -0 -n 6 -P "$JOBS" "$PYTHON" experiments/voting/compare.py --tasks moments --clips "$clips" --votes 8

"$PYTHON" -m timepro_lit.report "$OUT/moments" output_dir="$OUT/report"
"$PYTHON" experiments/moments/results.py "$OUT"
