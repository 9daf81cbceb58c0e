"""The models of an experiment: trained when they are needed, opened one at a time.

Contract: a training's folder is named by its recipe's hash; a finished one is not repeated. Of a
trained model the bundle is asked, as it ships.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import sentixrl
from sentixrl.classifier import Classifier
from sentixrl.datasets.dataset import Dataset
from sentixrl.engines.fingerprint import fingerprint
from sentixrl.engines.local.bundled import BUNDLED
from sentixrl.engines.options import EngineOptions
from sentixrl.errors import ConfigError
from sentixrl.evaluation.baselines import embeddings, majority, neighbours, tfidf
from sentixrl.evaluation.baselines.system import System
from sentixrl.experiments.answering import Asked
from sentixrl.experiments.jobs import material_of, training_folder
from sentixrl.experiments.plan import Ask, Condition
from sentixrl.labels import LabelSet
from sentixrl.named_models import bundle_of
from sentixrl.runs.identity import digest
from sentixrl.training.finishing import BUNDLE, finished_before
from sentixrl.training.material import DEV_SEED, load_holdout, load_part, load_sources
from sentixrl.training.pairs import Evidence
from sentixrl.training.recipe import Recipe
from sentixrl.training.running import Reporter, train_bundle
from sentixrl.training.sections import Shown
from sentixrl.training.supplements import RecipeSupplements


class Models:
    """Trains and opens what an experiment asks.

    Args:
        out: Where trainings are kept.
        data: The folder with one folder per data set.
        reporter: Receives the reports of trainings.
        device: Where models run.
    """

    def __init__(self, out: Path, data: Path, reporter: Reporter, device: str | None) -> None:
        self._out, self._data, self._reporter, self._device = out, data, reporter, device
        self._open: tuple[str, Classifier] | None = None
        self._broken: dict[str, Exception] = {}
        self._material: dict[str, str] = {}

    def mark(self, condition: Condition, recipe: Recipe | None) -> dict[str, Any]:
        """What tells a condition's model from others, without opening it."""
        if condition.model is not None:
            return {"name": condition.model, "weights": _weights(condition.model)}
        assert recipe is not None
        name = condition.baseline or "trained"
        return {"name": name, "recipe": recipe.name, "material": self._material_of(recipe)}

    def _material_of(self, recipe: Recipe) -> str:
        """The hash of a recipe's data, which are read once."""
        if recipe.name not in self._material:
            parts = (*recipe.train, *recipe.dev)
            loaded = (load_part(part, self._data, DEV_SEED) for part in parts)
            self._material[recipe.name] = material_of(loaded)
        return self._material[recipe.name]

    def _folder(self, recipe: Recipe) -> Path:
        return training_folder(self._out, recipe, self._material_of(recipe))

    def asked(
        self, condition: Condition, recipe: Recipe | None, seed: int, deductions: Path | None
    ) -> Asked | None:
        """A condition's model, trained if it was not; ``None`` if Ctrl-C ended the training."""
        if condition.model is not None:
            classifier = self.there(condition.model)
            shown, retrieval = Shown(), None
            training: Sequence[Dataset] = ()
        else:
            assert recipe is not None
            if not self._train(recipe):
                return None
            classifier = self.there(str(self._folder(recipe) / BUNDLE))
            shown, retrieval = recipe.prompt, recipe.demonstrations
        retrieval = condition.ask.demonstrations or retrieval
        verifier = recipe.verifier if recipe is not None and condition.ask.pairs else None
        evident = verifier is not None and verifier.evidence > 0
        training = _training(recipe, self._data) if retrieval is not None or evident else ()
        shown = _asked_so(shown, condition.ask, deductions)
        return Asked(
            classifier,
            RecipeSupplements(shown, retrieval, training, seed),
            Evidence(verifier, training) if verifier is not None and evident else None,
        )

    def there(self, model: str) -> Classifier:
        """A model that is there; the last one stays open."""
        if self._open is None or self._open[0] != model:
            self.forget()
            engine = EngineOptions(device=self._device)
            self._open = (model, sentixrl.load(model, engine=engine))
        return self._open[1]

    def forget(self) -> None:
        """Close the model that is open."""
        self._open = None

    def _train(self, recipe: Recipe) -> bool:
        """Train, if it was not; whether there is a bundle."""
        folder = self._folder(recipe)
        if finished_before(folder / BUNDLE) is not None:
            return True
        if recipe.name in self._broken:  # once is enough
            raise self._broken[recipe.name]
        self.forget()
        self._reporter.say(f"Training in {folder}.")
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            made = train_bundle(
                *(recipe, self._data, folder, self._reporter),
                announce=lambda cost: True,
                device=self._device,
            )
        except Exception as error:
            self._broken[recipe.name] = error
            raise
        return made is not None


def _training(recipe: Recipe | None, root: Path) -> list[Dataset]:
    """A recipe's training parts, as it trains on them."""
    if recipe is None:
        raise ConfigError(
            "A model that was not trained here has no training parts to retrieve from."
        )
    sources = load_sources(recipe, root, load_holdout(recipe, root), lambda text: None)
    return [source.data for source in sources]


def _asked_so(shown: Shown, ask: Ask, deductions: Path | None) -> Shown:
    """What prompts show, as it was trained and as it is asked."""
    changes: dict[str, Any] = {}
    if ask.history is not None:
        changes["history"] = ask.history
    if ask.deductions == "off":
        changes |= {"deduction": "off", "deductions": None, "strangers": False}
    elif ask.deductions is not None:
        if shown.deduction == "off" or deductions is None:
            raise ConfigError("The model was trained without deductions, so none can be swapped.")
        changes |= {"deductions": str(deductions), "strangers": ask.deductions == "strangers"}
    return shown.model_copy(update=changes)


def _weights(model: str) -> dict[str, Any]:
    """Hashes of a bundle's or model's files, and of all that its bundle says."""
    bundle = bundle_of(model)
    policy = asdict(bundle)
    for place in ("adapter", "base", "name"):
        del policy[place]
    base = bundle.base or model
    folder = BUNDLED[base].folder if base in BUNDLED else Path(base)
    return {
        "adapter": fingerprint(bundle.adapter) if bundle.adapter else None,
        "base": fingerprint(folder) if folder.is_dir() else base,
        "bundle": digest(policy),
    }


def baseline(kind: str, recipe: Recipe, data: Dataset, root: Path) -> System:
    """A baseline trained on a recipe's training parts, for data of these labels.

    Raises:
        ConfigError: The data have several labels a turn.
        InputError: There is nothing to learn from.
    """
    if data.several:
        raise ConfigError("Baselines answer with one label a turn.")
    sources = load_sources(recipe, root, holdout := load_holdout(recipe, root), lambda text: None)
    train = joined([source.data for source in sources], data.label_set)
    if kind == "majority":
        return majority(train)
    if kind == "neighbours":
        return neighbours(train)
    dev = joined([part for _, part in holdout[len(recipe.holdout) :]], data.label_set)
    return tfidf(train, dev) if kind == "tfidf" else embeddings(train, dev)


def joined(parts: Sequence[Dataset], labels: LabelSet) -> Dataset:
    """The turns of several parts that have one of some labels, as one part."""
    single = [part for part in parts if not part.several]
    if not single:
        raise ConfigError("No part has one label a turn to learn from.")
    dialogues = tuple(
        replace(
            dialogue,
            id=f"{number}-{dialogue.id}",
            utterances=tuple(
                turn if turn.gold in labels else replace(turn, gold=None) for turn in dialogue
            ),
        )
        for number, part in enumerate(single)
        for dialogue in part
    )
    return replace(single[0], label_set=labels, dialogues=dialogues)
