"""Correcting posteriors for label shares that a user knows.

Contract: ``log p(l | x) + log π(l) - log π₀(l)``, normalised: Bayes' rule for data whose label
shares π differ from the shares π₀ that the posterior assumes (Saerens et al. 2002, "Adjusting the
Outputs of a Classifier to New a Priori Probabilities"). π₀ is uniform, except where a bias was
fitted: then the posterior assumes the shares of the data it was fitted on. A temperature ties it to
no shares. A label of share 0 gets probability 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from sentixrl.calibration.posterior import Calibration, Floats
from sentixrl.errors import ConfigError, LabelError
from sentixrl.labels import LabelSet

SUM_TOLERANCE = 0.005


def read_prior(prior: Mapping[str, float], label_set: LabelSet) -> tuple[float, ...]:
    """Each label's share, in the label set's order.

    Args:
        prior: Name (or another spelling of it) → share.
        label_set: The labels.

    Raises:
        LabelError: It names a label that is not in the set.
        ConfigError: A label is missing or there twice, a share is not one, or they do not sum to
            1.
    """
    shares: dict[str, float] = {}
    for name, share in prior.items():
        label = label_set.read(name)
        if label is None:
            raise LabelError(
                f"The prior names '{name[:80]}', which is not a label of '{label_set.name}' "
                f"({', '.join(label_set.names)})."
            )
        if label.name in shares:
            raise ConfigError(f"The prior names the label '{label.name}' twice.")
        if not (math.isfinite(share) and 0 <= share <= 1):
            raise ConfigError(
                f"The prior gives '{label.name}' the share {share:g}; shares lie between 0 and 1."
            )
        shares[label.name] = share
    missing = [name for name in label_set.names if name not in shares]
    total = math.fsum(shares.values())
    if abs(total - 1) > SUM_TOLERANCE:
        said = f"; it says nothing of {', '.join(missing)}" if missing else ""
        raise ConfigError(
            f"The shares of the prior sum to {total:.4g}, not to 1{said}.",
            hint=f"Give the share of every label, for example: {_example(label_set)}.",
        )
    if missing:
        raise ConfigError(
            f"The prior says nothing of {', '.join(missing)}.",
            hint=f"Give the share of every label; one that never occurs: {missing[0]}=0.",
        )
    return tuple(shares[name] / total for name in label_set.names)


def _example(label_set: LabelSet) -> str:
    """Shares of all labels, the first one the commonest, as the command takes them."""
    names = label_set.names
    rest = 0.4 / max(1, len(names) - 1)
    return ", ".join([f"{names[0]}=0.6", *(f"{name}={rest:.3g}" for name in names[1:])])


def prior_shift(shares: Sequence[float], calibration: Calibration) -> Floats:
    """What a prior adds to log-posteriors. Shape ``[n_labels]``; -inf for a share of 0.

    Args:
        shares: The label shares of the data, in the label set's order.
        calibration: Says which shares its posteriors assume.
    """
    assumed = calibration.shares or (1 / len(shares),) * len(shares)
    with np.errstate(divide="ignore"):
        found: Floats = np.log(np.asarray(shares, np.float64)) - np.log(assumed)
    return found
