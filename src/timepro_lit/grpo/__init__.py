"""Group-relative policy optimisation on packed rows, and the rollouts and log-probabilities it needs (torch only)."""
