"""From trained weights to a model bundle: adapter, calibration, card.

Contract: what is measured and calibrated here is the bundle as it ships (low-rank difference,
merged at load), not the weights it was made from; what the difference lost is stated.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from sentixrl.bundle import BUNDLE_FILE, ModelBundle, put_in_place
from sentixrl.classifier import Classifier
from sentixrl.context.building import language_of
from sentixrl.datasets.dataset import Dataset
from sentixrl.engines.local.checkpoint import read_weights
from sentixrl.engines.options import EngineOptions
from sentixrl.errors import ModelError, SentixError
from sentixrl.labels import LabelSet
from sentixrl.negotiation.options import NegotiationOptions
from sentixrl.runs import session_facts
from sentixrl.runs.storage import write_json
from sentixrl.spec import load
from sentixrl.training.answering import (
    answer,
    decisive,
    fit_calibrations,
    fit_fallbacks,
    score_parts,
)
from sentixrl.training.card import write_card, write_terms
from sentixrl.training.checking import Check
from sentixrl.training.checkpoints import read_json
from sentixrl.training.lineage import TRAINING_FILE, earlier, holdout_record
from sentixrl.training.lowrank import difference, write_adapter
from sentixrl.training.model import CPU, TrainableModel, adapted_layers
from sentixrl.training.policy import Trial, choose_policy
from sentixrl.training.recipe import Recipe, as_plain
from sentixrl.training.setting import Setting, context_of, template_hashes
from sentixrl.untrusted import boundary

BUNDLE = "bundle"


@dataclass(frozen=True, slots=True)
class Finished:
    """A bundle that was made.

    Attributes:
        folder: The bundle.
        adapter_bytes: Size of its weights' file.
        full: Name of a dev part → deciding figure of the weights it was made from.
        shipped: The same of the bundle.
    """

    folder: Path
    adapter_bytes: int
    full: Mapping[str, float]
    shipped: Mapping[str, float]

    @classmethod
    def of(cls, folder: Path, facts: Mapping[str, Any]) -> Finished:
        """What a bundle's record (:func:`training_facts`) says was made."""
        full, shipped = (
            {name: decisive(part) for name, part in parts.items()}
            for parts in (facts["best"]["parts"], facts["shipped"])
        )
        return cls(folder, facts["adapter_bytes"], full, shipped)

    @property
    def kept(self) -> float:
        """The share of the mean dev score that the bundle keeps."""
        before = float(np.mean(list(self.full.values())))
        return float(np.mean(list(self.shipped.values()))) / before if before else 1.0


def finish(
    setting: Setting,
    best: Check,
    history: list[Check],
    folder: Path,
    averaged: tuple[int, ...] = (),
) -> Finished:
    """Write the bundle of a finished training, whose best weights are in the model.

    Args:
        setting: The training.
        best: The best check.
        history: All checks.
        folder: The bundle's folder; made or overwritten.
        averaged: The seeds of the trainings whose mean the weights are; none, one training's.

    Raises:
        ModelError: The folder holds something else.
    """
    check_place(folder)
    # Made beside its place, so that what breaks off leaves no half of a bundle.
    making = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(making, ignore_errors=True)
    size = _write_adapter(setting, making / "difference")
    _bundle_of(setting.recipe, setting.dev, making / "difference").save(making / BUNDLE)
    parts, trials = _judge(setting, making / BUNDLE)
    facts = training_facts(setting, best, history, parts, size)
    facts["negotiation"] = [asdict(trial) for trial in trials]
    facts["averaged"] = list(averaged)
    write_json(making / BUNDLE / TRAINING_FILE, facts)
    write_card(facts, making / BUNDLE)
    write_terms(facts, making / BUNDLE)
    put_in_place(making / BUNDLE, folder)
    shutil.rmtree(making)
    return Finished.of(folder, facts)


def check_place(folder: Path) -> None:
    """Refuse to put a bundle where something else is.

    Raises:
        ModelError: The folder holds something else.
    """
    if folder.is_dir() and any(folder.iterdir()) and not (folder / BUNDLE_FILE).is_file():
        raise ModelError(
            f"{folder} is not empty and not a model bundle.",
            hint="Move it away, or name another folder with --out.",
        )


def finished_before(folder: Path) -> Finished | None:
    """What was made in a bundle's folder, by its own record; ``None`` if it is not whole."""
    try:
        with boundary(f"{folder} cannot be read"):
            return Finished.of(folder, read_json(folder / TRAINING_FILE))
    except SentixError:
        return None


def _bundle_of(recipe: Recipe, dev: Mapping[str, Dataset], adapter: Path) -> ModelBundle:
    """What is known of the bundle before it is judged."""
    return ModelBundle(
        name=recipe.name,
        base=recipe.base,
        trained=True,
        labels=recipe.labels or _labels_asked(next(iter(dev.values()))),
        prompt_format=recipe.prompt_format,
        templates=template_hashes(recipe),
        context=context_of(recipe),
        negotiation=NegotiationOptions(
            enabled=False,
            kind="several" if all(part.kind == "several" for part in recipe.train) else "auto",
        ),
        adapter=adapter,
    )


def _labels_asked(data: Dataset) -> LabelSet:
    """A part's labels, which a bundle asks for one at a time or several at once as the part did."""
    found = data.label_set
    return LabelSet(found.name, found.labels, multi_label=data.several)


def _judge(setting: Setting, folder: Path) -> tuple[dict[str, dict[str, float]], list[Trial]]:
    """Let the bundle answer dev: adds calibrations and the policy to it.

    Returns:
        Its dev figures by part, and the ways to negotiate that were tried, best first.
    """
    trainable = setting.trainable
    trainable.move(CPU)  # it has done its part
    bits: Literal[4] | None = 4 if setting.recipe.method == "qlora" else None  # as it was trained
    local = EngineOptions(device=str(trainable.device), bits=bits)
    shipped = load(folder, context=setting.context, engine=local)
    answers = {
        name: answer(shipped.engine, setting.context, data, setting.supplements(data))
        for name, data in setting.dev.items()
    }
    calibrations = fit_calibrations(setting.dev, answers)
    fallbacks = fit_fallbacks(setting.dev, answers)
    bundle = replace(shipped.bundle, calibrations=calibrations, fallbacks=fallbacks)
    bundle.save(folder)
    trials: list[Trial] = []
    negotiated = {name: data for name, data in setting.dev.items() if not data.several}
    if setting.recipe.discriminator and negotiated:
        trials = choose_policy(
            Classifier(shipped.engine, shipped.label_set, shipped.context, bundle=bundle),
            negotiated,
            setting.supplements,
        )
        _with_policy(bundle, trials[0]).save(folder)
    return score_parts(setting.dev, answers, calibrations), trials


def _with_policy(bundle: ModelBundle, best: Trial) -> ModelBundle:
    if best.threshold is None:
        return bundle
    policy = replace(bundle.negotiation, enabled=True, agree_threshold=best.threshold)
    return replace(bundle, negotiation=policy)


def _write_adapter(setting: Setting, folder: Path) -> int:
    """The difference of the trained model to its base, as an adapter of the recipe's rank."""
    recipe, trainable = setting.recipe, setting.trainable
    if recipe.method == "qlora":
        # The base is quantised: the adapter is all there is, and is that of its rank already.
        trainable.model.save_pretrained(folder)
        return (folder / "adapter_model.safetensors").stat().st_size
    pairs = difference(read_weights(trainable.folder), trained_matrices(trainable), recipe.rank)
    return write_adapter(pairs, folder, recipe.base)


def trained_matrices(trainable: TrainableModel) -> Iterator[tuple[str, torch.Tensor]]:
    """(Checkpoint name, trained matrix) of each trained layer, made one at a time.

    An adapter's product is added in float32: rounded to the weights' own format, most of it would
    be lost.
    """
    layers = adapted_layers(trainable.model)
    for name, layer in layers.items():
        down, up = (getattr(layer, side)["default"].weight for side in ("lora_A", "lora_B"))
        change = up.detach().float() @ down.detach().float()
        yield name, layer.base_layer.weight.detach().float() + layer.scaling["default"] * change
    if not layers:
        yield from ((name, value.detach()) for name, value in trainable.trained.items())


def training_facts(
    setting: Setting,
    best: Check,
    history: list[Check],
    shipped: Mapping[str, Mapping[str, float]],
    adapter_bytes: int,
) -> dict[str, Any]:
    """All that a reader of a bundle should know of its training, as plain data."""
    return {
        "recipe": as_plain(setting.recipe),
        "sources": [
            {
                "dataset": source.data.name,
                "split": source.data.split,
                "task": source.data.task,
                "kind": part.kind,
                "variant": source.data.variant,
                "switches": dict(source.data.switches),
                "data_hash": source.data.data_hash,
                "dialogues": len(source.data),
                "utterances": source.labelled,
                "epochs": source.epochs,
                "dropped_for_overlap": source.dropped,
                "kept_with_overlap": source.kept,
                "file": part.file,
                "labels": part.labels,
                "languages": sorted({language_of(one).partition("-")[0] for one in source.data}),
            }
            for part, source in zip(setting.recipe.train, setting.sources, strict=True)
        ],
        "holdout": holdout_record(setting.holdout),
        "earlier": earlier(setting.recipe),
        "packs": len(setting.packs),
        "best": {"step": best.step, "score": best.score, "parts": dict(best.parts)},
        "shipped": dict(shipped),
        "adapter_bytes": adapter_bytes,
        "history": [
            {"step": check.step, "score": check.score, "parts": dict(check.parts)}
            for check in history
        ],
        **session_facts(engine=setting.trainable.engine),
    }
