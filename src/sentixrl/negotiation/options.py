"""How the roles negotiate, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from sentixrl.calibration.posterior import Calibration
from sentixrl.errors import ConfigError
from sentixrl.negotiation.protocol import Rules

ModeName = Literal["auto", "scored", "written"]


@dataclass(frozen=True, slots=True)
class NegotiationOptions:
    """How the roles negotiate.

    Attributes:
        enabled: Off means that the generator's first answer is taken (status ``single``).
        rules: Round limit and agreements needed.
        mode: ``scored``, ``written``, or ``auto``: scored if the engine scores.
        confidence_threshold: No negotiation if the first proposal's probability reaches this;
            ``None`` to negotiate always.
        agree_threshold: The discriminator agrees if P(agree) reaches this.
        calibration: From raw label scores to posteriors.
        correct_priors: Subtract an untrained model's preferences from its scores (scored mode).
        reproducible: Every dialogue is computed alone, in a fixed shape, so that its numbers do not
            depend on other dialogues. If off, dialogues are computed together. Single messages are
            then answered several times faster, but probabilities vary in the third decimal with
            what shares their batch, and a label may differ if the first two are within 0.05 nats.
        discriminator: The model that judges, by a name as for the one that proposes; ``None`` if
            one model plays both roles.
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
    discriminator: str | None = None

    def __post_init__(self) -> None:
        for name in ("confidence_threshold", "agree_threshold"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise ConfigError(f"'{name}' is {value}; a probability lies between 0 and 1.")
        if self.mode not in get_args(ModeName):
            raise ConfigError(
                f"There is no mode '{self.mode}'.",
                hint=f"There are: {', '.join(get_args(ModeName))}.",
            )
