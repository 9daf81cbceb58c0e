"""AdamW with float32 masters, and an exponential moving average of the weights beside them.

Contract: what the model computes with is its own number format; what is updated is a float32 copy
in the optimizer's state. At a learning rate of 6e-5 most updates are smaller than bfloat16's
spacing and would otherwise be lost. Float32 weights are their own masters. The average is of the
masters, updated at each step; training continues from the weights themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.optim.adamw import adamw


class MasterAdamW(torch.optim.Optimizer):
    """AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101) over float32 masters.

    Args:
        params: Parameters or groups of them.
        lr: Learning rate.
        betas: Decay of the running averages.
        eps: Added to the denominator.
        weight_decay: Decoupled weight decay.
        ema: Decay of the exponential moving average of the weights; 0 keeps none. Early on it is
            ``(1 + t) / (10 + t)`` after t steps where that is less, so that the beginning is
            soon forgotten.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        ema: float = 0.0,
    ) -> None:
        self._ema = ema
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update masters, then round them into the parameters."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            used = [parameter for parameter in group["params"] if parameter.grad is not None]
            if used:
                self._update(group, used)
        return loss

    def _update(self, group: dict[str, Any], used: list[torch.Tensor]) -> None:
        states = [self._state(parameter) for parameter in used]
        masters = [
            state.get("master", parameter) for parameter, state in zip(used, states, strict=True)
        ]
        adamw(
            masters,
            [parameter.grad.float() for parameter in used if parameter.grad is not None],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            fused=True,
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )
        for parameter, master in zip(used, masters, strict=True):
            if master is not parameter:
                parameter.copy_(master)
        if self._ema:
            steps = states[0]["step"].item()
            share = 1 - min(self._ema, (1 + steps) / (10 + steps))
            torch._foreach_lerp_([state["ema"] for state in states], masters, share)

    def _state(self, parameter: torch.Tensor) -> dict[str, torch.Tensor]:
        state: dict[str, torch.Tensor] = self.state[parameter]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
            state["exp_avg"] = torch.zeros_like(parameter, dtype=torch.float32)
            state["exp_avg_sq"] = torch.zeros_like(parameter, dtype=torch.float32)
            if parameter.dtype != torch.float32:
                state["master"] = parameter.detach().float()
            if self._ema:
                state["ema"] = parameter.detach().to(torch.float32, copy=True)
        return state

    @contextmanager
    def ema_weights(self) -> Iterator[None]:
        """The average in place of the weights, to evaluate it."""
        moved = [(p, state) for p, state in self.state.items() if "ema" in state]
        with torch.no_grad():
            # Masters are rounded into the parameters again; without one, these are kept.
            held = [state.get("master", p.detach().clone()) for p, state in moved]
            for parameter, state in moved:
                parameter.copy_(state["ema"])
        try:
            yield
        finally:
            with torch.no_grad():
                for (parameter, _), value in zip(moved, held, strict=True):
                    parameter.copy_(value)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a state; the masters keep float32, which torch would cast to the parameters'.

        A state of float32 weights has no masters; where the weights are no longer float32, masters
        are made from them, which have to be loaded before.
        """
        super().load_state_dict(state_dict)
        saved = state_dict["state"]
        ordered = [p for group in self.param_groups for p in group["params"]]
        for number, parameter in enumerate(ordered):
            for name, value in saved.get(number, {}).items():
                if torch.is_tensor(value):
                    self.state[parameter][name] = value.to(parameter.device, torch.float32)
            if number in saved and parameter.dtype != torch.float32:
                self.state[parameter].setdefault("master", parameter.detach().float())
