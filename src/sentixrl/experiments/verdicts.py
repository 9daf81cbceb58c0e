"""What an experiment answers, in sentences.

Contract: each sentence has its interval, or says why there is none. Whether an idea lives is
decided by dev, by the value itself: what an interval allows is no reason to go on.
"""

from __future__ import annotations

from collections.abc import Sequence

from sentixrl.experiments.contrasts import Difference
from sentixrl.experiments.plan import METRIC_NAMES, Contrast, Experiment
from sentixrl.experiments.running import DEV
from sentixrl.experiments.telling import Told


def verdict(
    experiment: Experiment,
    tested: Sequence[tuple[Contrast, Difference | None]],
    split: str,
    told: Sequence[Told] = (),
) -> str:
    """The answer in sentences.

    Args:
        experiment: The experiment.
        tested: Its contrasts with what was found.
        split: Of which split.
        told: Its signals with what was found.
    """
    metric = METRIC_NAMES[experiment.metric]
    sentences = []
    for wanted, found in tested:
        if found is not None:
            lives = _lives(found.value, wanted.least) if split == DEV else ""
            sentences.append(_difference(found, metric) + lives)
    sentences += [_signal(one) for one in told if one.found is not None]
    missing = [wanted.title for wanted, found in tested if found is None]
    missing += [f"{one.name} ({one.why})" for one in told if one.found is None]
    if missing:
        sentences.append(f"Not run: {'; '.join(missing)}.")
    return f"On {split}: " + (" ".join(sentences) if sentences else "nothing was compared.")


def signed(value: float) -> str:
    """A fraction in points, with its sign."""
    return f"{100 * value:+.1f}".replace("-", "−")


def _difference(found: Difference, metric: str) -> str:
    seeds = min(found.seeds.values())
    points = f"{signed(found.value)} points of {metric}"
    if found.low is None or found.high is None or found.p_holm is None:
        return f"{found.title}: {points} ({_seeds(seeds)}; too few clusters for an interval)."
    clear = "clear of zero" if found.p_holm < 0.05 else "not clear of zero"
    return (
        f"{found.title}: {points} (95% {signed(found.low)} to {signed(found.high)}, Holm "
        f"p {found.p_holm:.3f}, {_seeds(seeds)}), {clear}; an effect under "
        f"{100 * (found.detectable or 0):.1f} would mostly be missed."
    )


def _signal(one: Told) -> str:
    found = one.found
    assert found is not None
    if found.low is None or found.high is None:
        ends = "too few clusters for an interval"
    else:
        ends = f"95% {signed(found.low)} to {signed(found.high)}"
    return (
        f"{one.name}, {one.place}: beside confidence and margin it adds {signed(found.gain)} "
        f"points to the area under the ROC curve that tells right from wrong ({ends}, "
        f"{_seeds(found.seeds)}); its view of other turns adds "
        f"{signed(found.strangers - found.own)}.{_lives(found.gain, one.least)}"
    )


def _lives(value: float, least: float | None) -> str:
    """A sentence on whether an idea reaches what it has to; nothing where it has to reach none."""
    if least is None:
        return ""
    wanted = f"+{100 * least:g}, which it has to reach"
    return f" Alive: not below {wanted}." if value >= least else f" Dead: below {wanted}."


def _seeds(number: int) -> str:
    return "one seed" if number == 1 else f"{number} seeds"
