"""MLflow's tracking: a run for each stage, found again where a stage goes on."""

from __future__ import annotations

import logging
import os
from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from lightning.pytorch.loggers import Logger, MLFlowLogger
from lightning.pytorch.utilities import rank_zero_only

from timepro_lit.lit.loggers import id_of
from timepro_lit.runs.stages import is_rank_zero

WAITS = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "20", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3"}
"""A server that does not answer is waited for so many seconds, and asked so often again; MLflow's own are minutes."""
GIVEN_URI = os.environ.get("MLFLOW_TRACKING_URI")
"""Read now: MLflow itself sets the variable later."""
STAGE_ID = "timepro.id"
"""A tag that says of which stage of which run directory a run is."""


def mlflow_logger(
    save_dir: str,
    name: str,
    version: str,
    project: str,
    tracking_uri: str,
    run: str | None = None,
    tags: Mapping[str, Any] | None = None,
) -> Logger:
    """Lightning's logger for the stage `name` in the experiment `project`; `version` is not used.

    Processes other than rank zero get an idle one: MLflow's makes its database as soon as it is made itself.
    MLFLOW_TRACKING_URI goes before `tracking_uri`: it may hold a password, which belongs in no stored settings.
    """
    if not is_rank_zero():
        return Idle()
    for variable, value in WAITS.items():
        os.environ.setdefault(variable, value)
    import mlflow  # noqa: F401 (sets up its logging, which says more than a user needs to know)

    logging.getLogger("mlflow").setLevel(logging.WARNING)
    tags = {**(tags or {}), "stage": name, STAGE_ID: id_of(save_dir, name)}
    where = GIVEN_URI or tracking_uri
    return MLflow(project, f"{run or name}-{name}", where, tags)


class Idle(Logger):
    """Logs nothing."""

    name = version = None

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None: ...

    def log_hyperparams(self, params: Any) -> None: ...


class MLflow(MLFlowLogger):
    """Lightning's logger that goes on with the run of its stage; a parameter that is known there stays as it is."""

    @property
    def experiment(self) -> Any:
        """The client of MLflow, with the run of this stage begun or found."""
        if self._run_id is None and rank_zero_only.rank == 0:
            self._run_id = self._found()
        return super().experiment

    def _found(self) -> str | None:
        known = self._mlflow_client.get_experiment_by_name(self._experiment_name)
        if known is None:
            self._mlflow_client.create_experiment(self._experiment_name)  # Lightning would warn that it is new
            return None
        assert self.tags is not None
        of_stage = f"tags.`{STAGE_ID}` = '{self.tags[STAGE_ID]}'"
        runs = self._mlflow_client.search_runs([known.experiment_id], of_stage, max_results=1)
        return runs[0].info.run_id if runs else None

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace) -> None:
        from lightning.fabric.utilities.logger import _convert_params, _flatten_dict

        known = self.experiment.get_run(self.run_id).data.params
        flat = _flatten_dict(_convert_params(params))
        super().log_hyperparams({key: value for key, value in flat.items() if key not in known})

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        # MLflow takes no @ in a name, and Lightning would warn of each.
        super().log_metrics({key.replace("@", "_at_"): value for key, value in metrics.items()}, step)
