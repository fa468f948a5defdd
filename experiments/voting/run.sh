#!/usr/bin/env bash
# Greedy answers beside votes of 4, 8 and 16, of a trained run's last model on the first 100 clips of its test split:
#   bash experiments/voting/run.sh outputs/demo                              a quarter of an hour on two cores
#   bash experiments/voting/run.sh outputs/demo smoke                        whether it all goes through, on 2 clips
# What else is given goes to compare.py (--row sft, --clips 200, --data data).
set -euo pipefail
cd "$(dirname "$0")/../.."
PYTHON=${PYTHON:-.venv/bin/python} OUT=${OUT:-outputs/voting}
RUN=${1:?give a run directory, such as outputs/demo}
shift

if [[ ${1:-} == smoke ]]; then
    shift
    OUT=${OUT%/}-smoke
    set -- --clips 2 --votes 2 3 "$@"
fi
"$PYTHON" experiments/voting/compare.py --run "$RUN" --out "$OUT" "$@"
