"""How the roles negotiate, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Literal, get_args

from sentixrl.calibration.posterior import Calibration
from sentixrl.errors import ConfigError
from sentixrl.labels import LabelSet, scheme_names
from sentixrl.negotiation.protocol import Rules

ModeName = Literal["auto", "scored", "written"]
KindName = Literal["auto", "single", "several"]


@dataclass(frozen=True, slots=True)
class NegotiationOptions:
    """How the roles negotiate.

    These defaults are not those of a model: a model's bundle says how its roles negotiate, and the
    default model does not negotiate. So ``NegotiationOptions(sets=0.9)`` also turns negotiation on.
    To change one thing, change a classifier's own options:
    ``model.replace(negotiation=dataclasses.replace(model.negotiation, sets=0.9))``.

    Attributes:
        enabled: Default: true. If false, the generator's first answer is taken (status ``single``).
        rules: Round limit and agreements needed. Default: 3 rounds, 1 agreement.
        mode: ``scored``, ``written``, or ``auto``, the default: scored if the engine scores.
        confidence_threshold: No negotiation if the first proposal's probability reaches this;
            ``None``, the default, to negotiate always.
        agree_threshold: The discriminator agrees if P(agree) reaches this. Default: 0.5.
        calibration: From raw label scores to posteriors. Default: none, and then the bundle's for
            the labels, if it has one.
        correct_priors: Subtract an untrained model's preferences from its scores (scored mode).
            Default: false.
        reproducible: Every dialogue is computed alone, in a fixed shape, so that its numbers do not
            depend on other dialogues. Default: true. If false, dialogues are computed together.
            Single messages are then answered several times faster, but probabilities vary in the
            third decimal with what shares their batch, and a label may differ if the first two are
            within 0.05 nats.
        kind: ``single`` gives an utterance one label; ``several`` judges each label by itself, and
            an utterance gets any number of them; nothing is negotiated then. ``auto``, the default,
            follows the label set: a set of one's own that is ``multi_label`` asks for several, a
            named scheme for one.
        prior: Label name → its share of the data, where that is known; all labels, and they sum to
            1. The posteriors are corrected for it (:mod:`sentixrl.calibration.shift`). Default:
            ``None``.
        sets: The probability with which each turn's set of candidates holds the true label; needs a
            calibration with ``truths``. ``None``, the default, for no sets.
        discriminator: The model that judges, by a name as for the one that proposes; ``None``, the
            default, if one model plays both roles.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 (pydantic declares it so)

    enabled: bool = True
    rules: Rules = field(default_factory=Rules)
    mode: ModeName = "auto"
    confidence_threshold: float | None = None
    agree_threshold: float = 0.5
    calibration: Calibration = field(default_factory=Calibration)
    correct_priors: bool = False
    reproducible: bool = True
    kind: KindName = "auto"
    prior: Mapping[str, float] | None = field(default=None, hash=False)
    sets: float | None = None
    discriminator: str | None = None

    def __post_init__(self) -> None:
        for name in ("confidence_threshold", "agree_threshold", "sets"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise ConfigError(f"'{name}' is {value}; a probability lies between 0 and 1.")
        for what, names in (("mode", ModeName), ("kind", KindName)):
            if (value := getattr(self, what)) not in get_args(names):
                raise ConfigError(
                    f"There is no {what} '{value}'.",
                    hint=f"There are: {', '.join(get_args(names))}.",
                )

    def __repr__(self) -> str:
        """What differs from the defaults."""
        usual = NegotiationOptions()
        told = [
            f"{part.name}={value!r}"
            for part in fields(self)
            if (value := getattr(self, part.name)) != getattr(usual, part.name)
        ]
        return f"NegotiationOptions({', '.join(told)})"

    def several(self, label_set: LabelSet) -> bool:
        """Whether an utterance may get several of these labels."""
        if self.kind != "auto":
            return self.kind == "several"
        # A scheme's flag tells of its source data; the task most models are asked is another.
        return label_set.multi_label and label_set.name not in scheme_names()
