"""Label Studio: predictions to correct there, and corrected annotations back as gold labels.

Contract: a dialogue is a task in Label Studio's dialogue layout and a label covers a whole turn. A
prediction carries its model's version and a score by which tasks can be sorted. What comes back is
checked against a label set; nothing is mapped or guessed. Label Studio itself is not needed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from sentixrl.dialogue import Dialogue
from sentixrl.errors import InputError
from sentixrl.formats.characters import shown
from sentixrl.formats.json_text import dialogue_of_json
from sentixrl.formats.results import DECIMALS
from sentixrl.formats.strict_json import DECODER
from sentixrl.frames import Predictions, pairs_of
from sentixrl.labels import LabelSet, resolve_labels
from sentixrl.prediction import DialoguePrediction, Prediction
from sentixrl.untrusted import boundary, read_bounded

DIALOGUE, EMOTION = "dialogue", "emotion"
"""The names of the tags in the labelling configuration, which tasks and annotations refer to."""
MAX_BYTES = 256 * 1024 * 1024
"""The largest export that is read."""
_KEYS = ("id", "language", "group")
_KIND = "paragraphlabels"


def labelling_config(labels: str | LabelSet) -> str:
    """The project's labelling configuration, to paste under *Settings → Labeling Interface*.

    Args:
        labels: The labels to choose from.
    """
    listed = "\n".join(
        f"    <Label value={quoteattr(name)}/>" for name in resolve_labels(labels).names
    )
    return (
        "<View>\n"
        f'  <ParagraphLabels name="{EMOTION}" toName="{DIALOGUE}" choice="single">\n'
        f"{listed}\n"
        "  </ParagraphLabels>\n"
        f'  <Paragraphs name="{DIALOGUE}" value="${DIALOGUE}" layout="dialogue" '
        'nameKey="author" textKey="text" granularity="paragraph"/>\n'
        "</View>\n"
    )


def to_label_studio(dialogues: object, predictions: Predictions) -> list[dict[str, Any]]:
    """Tasks with predictions, to import as JSON.

    A task's score is the mean confidence of its turns; turns without an answer have no region.

    Args:
        dialogues: What was given to ``predict`` or ``predict_many``.
        predictions: What it answered.

    Raises:
        InputError: The predictions are not those of the dialogues.
    """
    return [_task(dialogue, answer) for dialogue, answer in pairs_of(dialogues, predictions)]


def write_label_studio(path: str | Path, dialogues: object, predictions: Predictions) -> None:
    """Write :func:`to_label_studio` to a JSON file."""
    text = json.dumps(to_label_studio(dialogues, predictions), ensure_ascii=False, indent=1)
    Path(path).write_text(text + "\n", "utf-8")


def read_label_studio(export: str | Path, labels: str | LabelSet) -> list[Dialogue]:
    """Annotated dialogues from an export in Label Studio's JSON format.

    Of several annotations of a task the one marked as ground truth counts, else the last updated;
    skipped ones do not. Tasks without annotation come back without gold labels.

    Args:
        export: The file.
        labels: The labels that annotations may have.

    Raises:
        InputError: It is no such export, a label does not exist, or a turn has several.
    """
    path, label_set = Path(export), resolve_labels(labels)
    with boundary(f"{path} cannot be read as an export of Label Studio"):
        tasks = DECODER.decode(read_bounded(path, MAX_BYTES).decode("utf-8-sig"))
    if not isinstance(tasks, list) or not all(isinstance(task, Mapping) for task in tasks):
        raise InputError(
            f"{path} holds no list of tasks.", hint="Export the project as JSON, not JSON-MIN."
        )
    return [
        _annotated(
            task, label_set, f"{path}, task {shown(str(task.get('id', number)))}", str(number)
        )
        for number, task in enumerate(tasks, start=1)
    ]


def _task(dialogue: Dialogue, answer: DialoguePrediction) -> dict[str, Any]:
    turns = [
        {"author": turn.speaker or "", "text": turn.text, **({"id": turn.id} if turn.id else {})}
        for turn in dialogue
    ]
    described = {key: getattr(dialogue, key) for key in _KEYS}
    data = {key: value for key, value in described.items() if value is not None}
    sure = [item.confidence for item in answer.items if item.confidence is not None]
    return {
        "data": {**data, DIALOGUE: turns},
        "predictions": [
            {
                "model_version": f"{answer.model} {answer.template}",
                **({"score": round(sum(sure) / len(sure), DECIMALS)} if sure else {}),
                "result": [
                    region
                    for turn, item in zip(dialogue, answer.items, strict=True)
                    if (region := _region(turn.text, item))
                ],
            }
        ],
    }


def _region(text: str, item: Prediction) -> dict[str, Any] | None:
    best = item.label or item.fallback
    labels = list(item.labels) if item.labels is not None else [best] if best else []
    if not labels:
        return None
    scored = {} if item.confidence is None else {"score": round(item.confidence, DECIMALS)}
    units = len(text.encode("utf-16-le")) // 2  # a browser counts so
    return {
        "id": f"turn-{item.index}",
        "from_name": EMOTION,
        "to_name": DIALOGUE,
        "type": _KIND,
        **scored,
        "value": {
            "start": str(item.index),
            "end": str(item.index),
            "startOffset": 0,
            "endOffset": units,
            "text": text,
            _KIND: labels,
        },
    }


def _annotated(task: Mapping[str, Any], labels: LabelSet, place: str, number: str) -> Dialogue:
    data = task.get("data")
    turns = data.get(DIALOGUE) if isinstance(data, Mapping) else None
    if not isinstance(turns, list):
        raise InputError(
            f"{place}: there is no list of turns under 'data.{DIALOGUE}'.",
            hint="Export a project that 'to_label_studio' made the tasks of.",
        )
    content = {
        "id": str(data.get("id", number)) if isinstance(data, Mapping) else number,
        "utterances": [_turn(turn, f"{place}, turn {at}") for at, turn in enumerate(turns, 1)],
        **{key: data[key] for key in _KEYS[1:] if isinstance(data, Mapping) and key in data},
    }
    dialogue = dialogue_of_json(content, place, number)
    gold = _golds(task.get("annotations"), labels, len(dialogue), place)
    marked = [replace(turn, gold=gold.get(at)) for at, turn in enumerate(dialogue)]
    return replace(dialogue, utterances=tuple(marked))


def _turn(turn: object, place: str) -> dict[str, object]:
    if not isinstance(turn, Mapping) or "text" not in turn:
        raise InputError(f"{place}: it has no 'text'.")
    found = {"text": turn["text"], "speaker": turn.get("author") or None, "id": turn.get("id")}
    return {key: value for key, value in found.items() if value is not None}


def _golds(annotations: object, labels: LabelSet, turns: int, place: str) -> dict[int, str]:
    """Position of a turn → its label."""
    chosen = _decisive(annotations if isinstance(annotations, list) else [])
    gold: dict[int, str] = {}
    regions = chosen.get("result") or []
    if not isinstance(regions, list):
        raise InputError(f"{place}: the 'result' of its annotation is no list of regions.")
    for region in regions:
        if not isinstance(region, Mapping) or region.get("type") != _KIND:
            continue
        value = region.get("value")
        with boundary(f"{place}: an annotated region is not of the dialogue layout"):
            assert isinstance(value, Mapping), "it has no value"
            first, last, names = int(value["start"]), int(value["end"]), value[_KIND]
            assert isinstance(names, list), f"'{_KIND}' is no list"
            assert all(isinstance(name, str) for name in names), "a label is no text"
        if not 0 <= first <= last < turns:
            raise InputError(
                f"{place}: a region covers turns {first + 1} to {last + 1} of {turns}."
            )
        for at in range(first, last + 1):
            for name in names:
                if name not in labels:
                    raise InputError(
                        f"{place}, turn {at + 1}: '{shown(name)}' is not a label of "
                        f"'{labels.name}' ({shown(', '.join(labels.names), 200)}).",
                        hint="Correct it in Label Studio, or give a label set that has it.",
                    )
                if gold.setdefault(at, name) != name:
                    raise InputError(
                        f"{place}, turn {at + 1} has two labels, '{shown(gold[at])}' and "
                        f"'{shown(name)}'.",
                        hint="Remove one of them in Label Studio; a turn has one.",
                    )
    return gold


def _decisive(annotations: Iterable[object]) -> Mapping[str, Any]:
    """The annotation that counts."""
    valid = [
        one for one in annotations if isinstance(one, Mapping) and not one.get("was_cancelled")
    ]
    return max(
        valid,
        key=lambda one: (bool(one.get("ground_truth")), str(one.get("updated_at") or "")),
        default={},
    )
