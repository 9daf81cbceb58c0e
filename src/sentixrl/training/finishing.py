"""From trained weights to a model bundle: adapter, calibration, card.

Contract: what is measured and calibrated here is the bundle as it ships (low-rank difference,
merged at load), not the weights it was made from; what the difference lost is stated.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sentixrl.bundle import ADAPTER_FOLDER, ModelBundle
from sentixrl.calibration.fitting import fit_temperature
from sentixrl.calibration.posterior import Calibration
from sentixrl.classifier import load
from sentixrl.context.templates import template_languages, templates
from sentixrl.context.window import HistoryWindow
from sentixrl.datasets.dataset import Dataset
from sentixrl.engines.local.llama import read_weights
from sentixrl.training.card import write_card
from sentixrl.training.checking import Check, posteriors, scores
from sentixrl.training.lowrank import difference, write_adapter
from sentixrl.training.policy import choose_policy
from sentixrl.training.recipe import Recipe, as_plain
from sentixrl.training.setting import Setting

TRAINING_FILE = "training.json"


@dataclass(frozen=True, slots=True)
class Finished:
    """A bundle that was made.

    Attributes:
        folder: The bundle.
        adapter_bytes: Size of its weights' file.
        full: Name of a dev part → weighted-F1 of the weights it was made from.
        shipped: The same of the bundle.
    """

    folder: Path
    adapter_bytes: int
    full: Mapping[str, float]
    shipped: Mapping[str, float]

    @property
    def kept(self) -> float:
        """The share of the mean dev weighted-F1 that the bundle keeps."""
        before = float(np.mean(list(self.full.values())))
        return float(np.mean(list(self.shipped.values()))) / before if before else 1.0


def finish(setting: Setting, best: Check, history: list[Check], folder: Path) -> Finished:
    """Write the bundle of a finished training, whose best weights are in the model.

    Args:
        setting: The training.
        best: The look at dev that was best.
        history: All looks.
        folder: The bundle's folder; made or overwritten.

    Raises:
        ModelError: The folder holds something else.
    """
    recipe, trainee = setting.recipe, setting.trainee
    scratch = folder.parent / f"{folder.name}-{ADAPTER_FOLDER}"
    size = _write_adapter(setting, scratch)
    bundle = ModelBundle(
        name=recipe.name,
        base=recipe.base,
        trained=True,
        labels=recipe.labels or next(iter(setting.dev.values())).label_set,
        framing=recipe.framing,
        templates=_template_hashes(recipe),
        language=recipe.language,
        window=HistoryWindow(**recipe.window.model_dump()),
        negotiate=False,
        adapter=scratch,
    )
    bundle.save(folder)
    for leftover in sorted(scratch.iterdir()):
        leftover.unlink()
    scratch.rmdir()
    # From here on it is the shipped model that answers.
    shipped = load(folder)
    trainee.engine.decoder = shipped.engine.decoder  # type: ignore[attr-defined]
    answers = {
        name: posteriors(trainee, setting.context, data) for name, data in setting.dev.items()
    }
    parts = {name: scores(*answer) for name, answer in answers.items()}
    calibrations = _calibrations(setting.dev, answers)
    bundle = replace(ModelBundle.load(folder), calibrations=calibrations)
    bundle.save(folder)
    trials = choose_policy(load(folder), setting.dev) if recipe.discriminator else []
    if trials:
        threshold = trials[0].threshold
        bundle = replace(
            bundle,
            negotiate=threshold is not None,
            agree_threshold=bundle.agree_threshold if threshold is None else threshold,
        )
        bundle.save(folder)
    facts = training_facts(setting, best, history, parts, size)
    facts["negotiation"] = [asdict(trial) for trial in trials]
    (folder / TRAINING_FILE).write_text(
        json.dumps(facts, indent=1, ensure_ascii=False) + "\n", "utf-8"
    )
    write_card(facts, folder)
    return Finished(
        folder,
        size,
        {name: part["weighted_f1"] for name, part in best.parts.items()},
        {name: part["weighted_f1"] for name, part in parts.items()},
    )


def _write_adapter(setting: Setting, folder: Path) -> int:
    """The difference of the trained model to its base, as an adapter of the recipe's rank."""
    recipe, trainee = setting.recipe, setting.trainee
    if recipe.method == "qlora":
        # The base is quantised: the adapter is all there is, and is that of its rank already.
        trainee.model.save_pretrained(folder)
        return (folder / "adapter_model.safetensors").stat().st_size
    model = trainee.model
    if recipe.method == "lora":
        model = model.merge_and_unload()
    base = read_weights(trainee.folder)
    trained = {
        name: value for name, value in model.state_dict().items() if _is_matrix(name, value, base)
    }
    return write_adapter(difference(base, trained, recipe.rank), folder, recipe.base)


def _is_matrix(name: str, value: torch.Tensor, base: Mapping[str, torch.Tensor]) -> bool:
    """Whether a tensor is a linear layer's, which training may have moved."""
    inside = name.startswith("model.layers.") and value.dim() == 2
    return inside and name in base


def _template_hashes(recipe: Recipe) -> dict[str, str]:
    languages = template_languages() if recipe.language == "auto" else (recipe.language,)
    return {language: templates(language).digest for language in languages}


def _calibrations(
    dev: Mapping[str, Dataset], answers: Mapping[str, tuple[np.ndarray, np.ndarray]]
) -> dict[str, Calibration]:
    """Label set digest → temperature, fitted on all dev parts of that label set."""
    pooled: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for name, data in dev.items():
        pooled.setdefault(data.label_set.digest, []).append(answers[name])
    return {
        digest: fit_temperature(
            np.concatenate([rows for rows, _ in parts]), np.concatenate([g for _, g in parts])
        )
        for digest, parts in pooled.items()
    }


def training_facts(
    setting: Setting,
    best: Check,
    history: list[Check],
    shipped: Mapping[str, Mapping[str, float]],
    adapter_bytes: int,
) -> dict[str, Any]:
    """All that a reader of a bundle should know of its training, as plain data."""
    from sentixrl.runs import session_facts

    return {
        "recipe": as_plain(setting.recipe),
        "sources": [
            {
                "dataset": source.data.name,
                "split": source.data.split,
                "task": source.data.task,
                "variant": source.data.variant,
                "data_hash": source.data.data_hash,
                "dialogues": len(source.data),
                "utterances": source.data.labelled,
                "epochs": source.epochs,
                "dropped_for_overlap": source.dropped,
            }
            for source in setting.sources
        ],
        "packs": len(setting.packs),
        "best": {"step": best.step, "score": best.score, "parts": dict(best.parts)},
        "shipped": dict(shipped),
        "adapter_bytes": adapter_bytes,
        "history": [
            {"step": check.step, "score": check.score, "parts": dict(check.parts)}
            for check in history
        ],
        **session_facts(engine=setting.trainee.engine),
    }
