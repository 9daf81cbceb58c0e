"""Losses against torch's own and against formulas written out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from sentixrl.engines.local._hf import load_model, steer
from sentixrl.engines.local.loading import open_engine
from sentixrl.engines.options import EngineOptions
from sentixrl.training.losses import Balance, Focal, Variant, class_weights, log_prior
from sentixrl.training.objective import Objective
from sentixrl.training.outputs import Outputs
from sentixrl.training.packs import TrainingPack, pack_questions

from .small import LABELS, all_questions, ask, dialogue, run_packed

GAMMAS = (0.0, 0.3, 1.0, 2.0, 5.0)
COUNTS = {"joy": 50, "anger": 3, "calm": 0, "sadness": 200, "deep melancholy": 1}


def logits_of(rows: int = 16, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(rows, 7, generator=generator, dtype=torch.float32)
    return logits, torch.randint(7, (rows,), generator=generator)


def test_gamma_zero_is_cross_entropy() -> None:
    logits, gold = logits_of()
    ours = Focal()(logits.log_softmax(-1).gather(-1, gold[:, None])[:, 0])
    torch.testing.assert_close(ours, F.cross_entropy(logits, gold, reduction="none"), rtol=0,
                               atol=1e-6)  # fmt: skip


@pytest.mark.parametrize("gamma", GAMMAS)
def test_focal_is_its_formula(gamma: float) -> None:
    shares = torch.tensor([1e-6, 0.01, 0.2, 0.5, 0.9, 0.999], dtype=torch.float64)
    expected = [-((1 - p) ** gamma) * math.log(p) for p in shares.tolist()]
    torch.testing.assert_close(
        Focal(gamma)(shares.log()), torch.tensor(expected, dtype=torch.float64)
    )


@pytest.mark.parametrize("gamma", [1.0, 2.0])
def test_the_gradient_is_the_derivative_written_out(gamma: float) -> None:
    shares = torch.tensor([0.05, 0.4, 0.8], dtype=torch.float64)
    log_probs = shares.log().requires_grad_()
    Focal(gamma)(log_probs).sum().backward()  # type: ignore[no-untyped-call]
    rest = 1 - shares
    expected = gamma * rest ** (gamma - 1) * shares * shares.log() - rest**gamma
    torch.testing.assert_close(log_probs.grad, expected)


@pytest.mark.parametrize("gamma", [*GAMMAS, 0.01])
@pytest.mark.parametrize("size", [0.0, 1e-30, 40.0, 1e3, 3e4])
@pytest.mark.parametrize("right", [True, False])
def test_gradients_are_finite_at_the_ends(gamma: float, size: float, right: bool) -> None:
    logits = torch.tensor([size if right else -size, 0.0, -1.0], requires_grad=True)
    loss = Focal(gamma)(logits.log_softmax(-1)[0])
    loss.backward()  # type: ignore[no-untyped-call]
    assert torch.isfinite(loss)
    assert loss >= 0
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
    if not right and size > 1:
        assert logits.grad[0] < -0.9  # a hopeless example keeps its pull


counts = st.dictionaries(st.text(min_size=1, max_size=4), st.integers(0, 10_000), min_size=1)


@given(counts, st.sampled_from(["none", "inverse", "effective"]))
def test_class_weights_have_mean_one_over_the_examples(
    found: Mapping[str, int], balance: Balance
) -> None:
    weights = class_weights(found, balance)
    assert list(weights) == list(found)
    assert all((weights[name] > 0) == (count > 0) for name, count in found.items())
    total = sum(found.values())
    if total:
        assert sum(weights[n] * found[n] for n in found) / total == pytest.approx(1)


def test_inverse_and_effective_weights() -> None:
    inverse = class_weights(COUNTS, "inverse")
    assert inverse["anger"] / inverse["sadness"] == pytest.approx(200 / 3)
    effective = class_weights(COUNTS, "effective", beta=0.99)
    assert effective["anger"] / effective["sadness"] == pytest.approx(
        (1 - 0.99**200) / (1 - 0.99**3)
    )
    assert inverse["calm"] == effective["calm"] == 0


def test_log_prior_is_the_smoothed_frequency() -> None:
    names = (*COUNTS, "never heard of")
    found = np.exp(log_prior(COUNTS, names))
    assert found.sum() == pytest.approx(1)
    assert found == pytest.approx(np.array([51, 4, 1, 201, 2, 1]) / 260)


@pytest.fixture(scope="module")
def pack_and_outputs(base: Path) -> tuple[TrainingPack, Outputs]:
    engine = open_engine(base, EngineOptions(dtype="float32", prompt_format="plain"))
    model = load_model(base, torch.float32, torch.device("cpu"))
    steer(model)
    pack = pack_questions(all_questions(), engine.prompt_format)
    found = run_packed(model, pack)
    head = replace(found.head, weight=found.head.weight.detach())
    return pack, Outputs(found.states.detach(), head)


PackAndOutputs = tuple[TrainingPack, Outputs]


@pytest.mark.parametrize("variant", ["closed", "vocabulary"])
def test_an_objective_sums_the_weighted_losses(
    pack_and_outputs: PackAndOutputs, variant: Variant
) -> None:
    pack, outputs = pack_and_outputs
    weights = {"joy": 2.0, "deep melancholy": 0.25, "anger": 0.0}
    objective = Objective(Focal(2.0, variant), weights={LABELS.name: weights}, second=0.5)
    total = 0.0
    for number, question in enumerate(pack.questions):
        if variant == "closed":
            losses = Focal(2.0)(pack.log_probs(outputs)[number, question.target])
        else:
            steps, owner = pack.target_steps(outputs)
            losses = Focal(2.0)(steps[owner == number]).sum()
        role = 1.0 if question.role == "generator" else 0.5
        total += weights.get(question.label, 1.0) * role * float(losses)
    assert float(objective(pack, outputs)) == pytest.approx(total, rel=1e-5)
    assert {question.role for question in pack.questions} == {
        "generator", "verdict", "counter", "again",
    }  # fmt: skip


def test_the_variants_differ_and_vocabulary_counts_every_token(
    pack_and_outputs: PackAndOutputs,
) -> None:
    pack, outputs = pack_and_outputs
    closed = Objective(Focal(0.0, "closed"))(pack, outputs)
    whole = Objective(Focal(0.0, "vocabulary"))(pack, outputs)
    assert whole > closed  # all tokens compete, not the labels alone
    steps, owner = pack.target_steps(outputs)
    long = next(n for n, q in enumerate(pack.questions) if q.label == "deep melancholy")
    assert int((owner == long).sum()) > 1
    assert (steps < 0).all()


def test_logit_adjustment_is_the_priors_added_to_the_scores(
    pack_and_outputs: PackAndOutputs,
) -> None:
    pack, outputs = pack_and_outputs
    counts = {"joy": 90, "anger": 5, "calm": 1}
    priors = dict(zip(LABELS.names, log_prior(counts, LABELS.names), strict=True))
    objective = Objective(Focal(), log_priors={LABELS.name: priors}, adjust=1.5)
    expected = 0.0
    for number, question in enumerate(pack.questions):
        row = pack.log_probs(outputs)[number, : len(question.choices)]
        if question.names:
            row = row + 1.5 * torch.tensor([priors[name] for name in question.names])
        expected -= float(row.log_softmax(-1)[question.target])
    assert float(objective(pack, outputs)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_taught_answer_is_pulled_towards_what_the_teacher_believes(
    pack_and_outputs: PackAndOutputs, share: float
) -> None:
    pack, outputs = pack_and_outputs
    believed = {"calm": 0.6, "joy": 0.3, "anger": 0.1}
    first = next(n for n, q in enumerate(pack.questions) if q.role == "generator")
    beliefs = torch.zeros_like(pack.beliefs)
    for place, name in enumerate(pack.questions[first].names):
        beliefs[first, place] = believed.get(name, 0.0)
    taught = replace(pack, beliefs=beliefs)
    own = pack.log_probs(outputs)
    plain = float(Objective(Focal())(pack, outputs))
    names = pack.questions[first].names
    follow = -sum(p * float(own[first, names.index(name)]) for name, p in believed.items())
    gold = -float(own[first, pack.target[first]])
    found = float(Objective(Focal(), distil=share)(taught, outputs))
    assert found == pytest.approx(plain + share * (follow - gold), rel=1e-5)


def test_logit_adjustment_shifts_the_answers_towards_rare_classes(base: Path) -> None:
    """One indistinguishable line, nine times joy and once anger: adjusted, they end level."""
    engine = open_engine(base, EngineOptions(dtype="float32", prompt_format="plain"))
    golds = ["joy"] * 9 + ["anger"]
    asked = [ask(dialogue(("We walked.", gold)))[0] for gold in golds]
    pack = pack_questions(asked, engine.prompt_format)
    model = load_model(base, torch.float32, torch.device("cpu"))
    steer(model)
    start = run_packed(model, pack)
    ends = {}
    for adjust in (0.0, 1.0):
        priors = dict(zip(LABELS.names, log_prior({"joy": 9, "anger": 1}, LABELS.names),
                          strict=True))  # fmt: skip
        objective = Objective(Focal(), log_priors={LABELS.name: priors}, adjust=adjust)
        states = start.states.detach().clone().requires_grad_()
        head = replace(start.head, weight=start.head.weight.detach())
        outputs = Outputs(states, head)
        steps = torch.optim.LBFGS([states], max_iter=80, line_search_fn="strong_wolfe")

        def closure(
            objective: Objective = objective,
            outputs: Outputs = outputs,
            steps: torch.optim.LBFGS = steps,
        ) -> torch.Tensor:
            steps.zero_grad()
            loss = objective(pack, outputs)
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        steps.step(closure)  # type: ignore[no-untyped-call]
        row = pack.log_probs(outputs)[0].detach()
        ends[adjust] = float(row[0] - row[1])
    assert ends[0.0] == pytest.approx(math.log(9), abs=0.05)
    # The priors are smoothed: (9 + 1) to (1 + 1).
    assert ends[1.0] == pytest.approx(math.log(9) - math.log(5), abs=0.05)
