"""What an experiment answers, in sentences.

Contract: each sentence has its interval, or says why there is none. Whether an idea lives is
decided by dev, by the value itself: what an interval allows is no reason to go on.
"""

from __future__ import annotations

from collections.abc import Sequence

from sentixrl.experiments.contrasts import LEVEL, Difference
from sentixrl.experiments.plan import METRIC_NAMES, Contrast, Experiment
from sentixrl.experiments.running import DEV
from sentixrl.experiments.telling import Told

CLEAR, UNCLEAR = "Clear of zero after Holm", "Not clear of zero"
TOO_FEW = "Too few clusters for an interval"
CLEARNESS = (CLEAR, UNCLEAR, TOO_FEW)


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
    groups: dict[str, list[str]] = {}
    for wanted, found in tested:
        if found is not None:
            lives = _lives(found.value, wanted.least) if split == DEV else ""
            groups.setdefault(_clearness(found), []).append(_difference(found) + lives)
    sentences = [f"{name}: {'; '.join(groups[name])}." for name in CLEARNESS if name in groups]
    if sentences:
        metric = METRIC_NAMES[experiment.metric]
        sentences[0] = f"differences in points of {metric}, 95% intervals. {sentences[0]}"
    sentences += [_signal(one, split) for one in told if one.found is not None]
    missing = [wanted.title for wanted, found in tested if found is None]
    missing += [f"{one.name} ({one.why})" for one in told if one.found is None]
    if missing:
        sentences.append(f"Not run: {'; '.join(missing)}.")
    return f"On {split}: " + (" ".join(sentences) if sentences else "nothing was compared.")


def signed(value: float) -> str:
    """A fraction in points, with its sign."""
    return f"{100 * value:+.1f}".replace("-", "−")


def _clearness(found: Difference) -> str:
    if found.p_holm is None:
        return TOO_FEW
    return CLEAR if found.p_holm < LEVEL else UNCLEAR


def _difference(found: Difference) -> str:
    seeds = _seeds(min(found.seeds.values()))
    interval = ""
    if found.low is not None and found.high is not None:
        interval = f"{signed(found.low)} to {signed(found.high)}, "
    return f"{found.title} {signed(found.value)} ({interval}{seeds})"


def _signal(one: Told, split: str) -> str:
    found = one.found
    assert found is not None
    if found.low is None or found.high is None:
        ends = "too few clusters for an interval"
    else:
        ends = f"95% {signed(found.low)} to {signed(found.high)}"
    lives = _lives(found.gain, one.least) if split == DEV else ""
    return (
        f"{one.name}, {one.place}: beside confidence and margin it adds {signed(found.gain)} "
        f"points to the area under the ROC curve that tells right from wrong ({ends}, "
        f"{_seeds(found.seeds)}){lives}; its view of other turns adds "
        f"{signed(found.strangers - found.own)}."
    )


def _lives(value: float, least: float | None) -> str:
    """Whether an idea reaches what it has to; nothing where it has to reach none."""
    if least is None:
        return ""
    return f", {'alive' if value >= least else 'dead'}: it has to reach +{100 * least:g}"


def _seeds(number: int) -> str:
    return "one seed" if number == 1 else f"{number} seeds"
