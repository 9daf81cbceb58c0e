"""An experiment in small: the same conditions over tiny random models and words of our own.

It shows that an experiment runs from beginning to end, in a minute or two and without any data set;
its figures mean nothing.

Contract: every part of data is replaced by a few dialogues whose labels one word gives away, under
the part's own labels; every base and model by a tiny random one. Conditions, contrasts and what is
combined stay as they are; of the seeds the first two, of each condition's tracks the first two.
"""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sentixrl.datasets.registry import info
from sentixrl.experiments.jobs import overlaid
from sentixrl.experiments.plan import Condition, Experiment, Place, Track
from sentixrl.labels import LabelSet, resolve_labels, scheme
from sentixrl.training.sections import DataPart

WORDS = ("rain", "letter", "river", "keys", "bread", "train", "garden", "window")
FILLERS = ("I", "you", "we", "kept", "the", "all", "years", "walked", "home", "without")
DIALOGUES, TURNS = {"train": 12, "dev": 12, "test": 12}, 3
TRACKS, SEEDS = 2, 2
SMALL: dict[str, Any] = {
    "rank": 4,
    "epochs": 2,
    "checks_per_epoch": 1,
    "patience": 9,
    "window": {"history_max": 2, "history_min": 0},
    "optimiser": {"pack_tokens": 128, "learning_rate": 1e-2, "ema": 0},
    "start": None,
}


def in_small(experiment: Experiment, folder: Path) -> Experiment:
    """The experiment over tiny models and small data, which are written to ``folder``.

    Args:
        experiment: The experiment.
        folder: Where models and data go; what is there is written again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model = write_model(folder / "model")
    small = _Small(folder, model)
    tracks = {name: _tracks(experiment, name)[:TRACKS] for name in experiment.conditions}
    kept = {track for some in tracks.values() for track in some}
    places = {name: small.place(place) for name, place in experiment.data.items()}
    changes: dict[str, Any] = {
        "seeds": experiment.seeds[:SEEDS],
        "data": places,
        "recipe": {},
        "tracks": {
            name: small.track(experiment, name) for name in experiment.tracks if name in kept
        },
        "conditions": {
            name: small.condition(condition, tracks[name])
            for name, condition in experiment.conditions.items()
        },
    }
    if experiment.deductions is not None:
        changes["deductions"] = experiment.deductions.model_copy(update={"by": str(model)})
    return experiment.model_copy(update=changes)


def _tracks(experiment: Experiment, name: str) -> list[str]:
    condition = experiment.conditions[name]
    if condition.tracks is None and condition.like is not None:
        return _tracks(experiment, condition.like)
    return condition.tracks or list(experiment.tracks)


class _Small:
    def __init__(self, folder: Path, model: Path) -> None:
        self._folder, self._model = folder, model

    def place(self, place: Place) -> Place:
        test = None if place.test is None else self._part(place.test, "test")
        return Place(dev=self._part(place.dev, "dev"), test=test)

    def track(self, experiment: Experiment, name: str) -> Track:
        """A track's recipe, whole, over small data."""
        track = experiment.tracks[name]
        content = overlaid(experiment.recipe, track.recipe)
        return Track(recipe=self._recipe(content), places=track.places)

    def condition(self, condition: Condition, tracks: list[str]) -> Condition:
        changes: dict[str, Any] = {}
        if condition.model is not None:
            changes["model"] = str(self._model)
        if condition.train is not None:
            changes["train"] = self._recipe(condition.train, whole=False)
        if condition.tracks is not None or condition.model is None:
            changes["tracks"] = None if condition.combine else tracks
        return condition.model_copy(update=changes)

    def _recipe(self, content: Mapping[str, Any], *, whole: bool = True) -> dict[str, Any]:
        """Recipe keys in small: data replaced, and what makes it long."""
        found = dict(content)
        for key in ("train", "dev", "holdout"):
            if key in found:
                split = "train" if key == "train" else "dev" if key == "dev" else "test"
                found[key] = [self._plain(part, split) for part in found[key]]
        if "base" in found or whole:
            found["base"] = str(self._model)
        if found.get("discriminator"):
            found["discriminator"] = {**found["discriminator"], "folds": 2, "epochs": 1}
        if found.get("verifier"):
            found["verifier"] = self._verifier(found["verifier"])
        found = overlaid(found, SMALL) if whole else _without(found, SMALL)
        return {**found, "start": None} if whole else found

    def _verifier(self, content: Mapping[str, Any]) -> dict[str, Any]:
        found = {**content, "folds": 2, "epochs": 1}
        return found | {"base": str(self._model), "optimiser": SMALL["optimiser"]}

    def _plain(self, part: Mapping[str, Any], split: str) -> dict[str, Any]:
        small = self._part(DataPart.model_validate(_of_part(part)), split)
        kept = {key: part[key] for key in ("epochs", "per_label", "unify") if key in part}
        return small.model_dump(exclude_defaults=True) | kept | {"split": split}

    def _part(self, part: DataPart, split: str) -> DataPart:
        labels = resolve_labels(_scheme_of(part))
        if part.kind == "several":
            return self._brighter(part, split)
        told = [part.dataset, labels.name, *map(str, part.switches.values()), split]
        name = f"{'-'.join(told)}.jsonl"  # a file for each part, as dev parts are told apart by it
        _write_talk(self._folder / name, labels, split)
        known = _scheme_of(part)
        return DataPart(
            dataset="custom", split=split, file=str(self._folder / name), labels=known,
            unify=part.unify,
        )  # fmt: skip

    def _brighter(self, part: DataPart, split: str) -> DataPart:
        language = str(part.switches.get("language", "eng"))
        path = self._folder / "brighter" / split / f"{language}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        rng = random.Random(f"{split}{language}")
        labels = list(scheme("brighter-6").names)
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "text", *labels])
            for number in range(DIALOGUES[split] * TURNS):
                marked = [rng.random() < 0.3 for _ in labels]
                words = [w for w, on in zip(WORDS, marked, strict=False) if on]
                text = " ".join([*rng.choices(FILLERS, k=4), *words])
                writer.writerow([f"{language}-{split}-{number}", text, *map(int, marked)])
        return DataPart(dataset="brighter", split=split, kind="several", switches=part.switches)


def _of_part(part: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in part.items() if key in DataPart.model_fields}


def _without(content: Mapping[str, Any], small: Mapping[str, Any]) -> dict[str, Any]:
    """A condition's own keys, but those that would make it long again."""
    kept = {key: value for key, value in content.items() if key not in {"epochs", "start", "rank"}}
    if "optimiser" in kept:
        kept["optimiser"] = overlaid(kept["optimiser"], small["optimiser"])
    return kept


def _scheme_of(part: DataPart) -> str:
    """The part's labels as a recipe names them."""
    if part.labels is not None:
        return part.labels
    entry = info(part.dataset)
    return entry.tasks[part.task or entry.task].scheme


def _write_talk(path: Path, labels: LabelSet, split: str) -> None:
    """Dialogues of three turns; a word for each label, so that there is something to learn."""
    rng = random.Random(f"{split}{labels.name}")
    with path.open("w", encoding="utf-8") as file:
        for number in range(DIALOGUES[split]):
            turns = []
            for turn in range(TURNS):
                place = rng.randrange(len(labels))
                sign = f"{WORDS[place % len(WORDS)]} {place // len(WORDS) or ''}".strip()
                words = [*rng.choices(FILLERS, k=rng.randint(2, 4)), sign]
                turns.append(
                    {
                        "speaker": ("Ann", "Ben")[turn % 2],
                        "text": " ".join(words),
                        "label": labels.names[place],
                    }
                )
            line = {"id": f"{split}-{number}", "utterances": turns}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


def write_model(folder: Path) -> Path:
    """A tiny random Llama with a tokenizer of bytes."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([" ".join((*WORDS, *FILLERS))] * 4, trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    marks = {"bos_token": "<s>", "eos_token": "</s>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(marks), "utf-8")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=32, intermediate_size=48,
        num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=8,
        max_position_embeddings=4096, tie_word_embeddings=True, bos_token_id=0, eos_token_id=1,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder
