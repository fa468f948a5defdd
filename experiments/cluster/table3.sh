#!/usr/bin/env bash
# The paper's Table 3, a node to a job: SEEDS=1,2,3 GPUS=8 bash experiments/cluster/table3.sh +scale=paper
# The two rows with GRPO go on from the SFT of "+ ASTP". That row is queued first, and Slurm starts the two when it has
# ended well, so that no GPU waits for a stage that another job trains. The script ends when the jobs have; all of them
# are queued within seconds, and go on where it is killed.
set -euo pipefail
cd "$(dirname "$0")/../.."
SEEDS=${SEEDS:-1,2,3} GPUS=${GPUS:-8}

shared=afterok
for seed in ${SEEDS//,/ }; do
    job=$(sbatch --parsable --ntasks-per-node="$GPUS" --gpus-per-node="$GPUS" \
        experiments/cluster/one_node.sbatch +experiment=ablation_astp seed="$seed" "$@")
    shared+=:${job%%;*}  # the name of the cluster follows upon a semicolon, where there are several
done

sweep() {
    python -m timepro_lit.train -m seed="$SEEDS" hydra/launcher=slurm hydra.launcher.gpus_per_node="$GPUS" "$@"
}
sweep +experiment=ablation_sft_baseline,ablation_random_init "$@" &
others=$!
sweep +experiment=ablation_eb_f1_only,ablation_adaptive "$@" \
    +hydra.launcher.additional_parameters.dependency="$shared" \
    +hydra.launcher.additional_parameters.kill-on-invalid-dep=yes
wait "$others"
