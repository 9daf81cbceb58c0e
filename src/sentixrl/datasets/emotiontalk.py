"""EmotionTalk: acted Chinese dialogues of two people with seven emotions.

Layout: ``{train,valid,test}.csv``. Labels annotated from the text alone and from all modalities are
two tasks.
"""

from __future__ import annotations

from sentixrl.datasets.files import find, read_csv
from sentixrl.datasets.gather import Gathering
from sentixrl.datasets.info import Count, DatasetInfo, Reading, Request, Task
from sentixrl.dialogue import Utterance

SOURCE = "https://github.com/flageval-baai/EmotionTalk (EmotionTalk/dataset/mm-process)"

_FILES = {"train": "train", "dev": "valid", "test": "test"}
_LABEL_COLUMN = {"emotion": "emotion_text", "emotion-multimodal": "emotion_multimodal"}
_COLUMNS = (
    "dialogue_id",
    "speaker",
    "utterance_id",
    "text",
    "emotion_text",
    "emotion_multimodal",
    "valence_multimodal",
)


def read(request: Request) -> Reading:
    """Read one split."""
    name = f"{_FILES[request.split]}.csv"
    path = find(request.path, [name], f"{request.split} split of EmotionTalk", f"See {SOURCE}.")
    gathering = Gathering(request, "zh")
    for row in read_csv(path, request.path, _COLUMNS):
        utterance = Utterance(
            gathering.text(row["text"], row.place),
            speaker=row.required("speaker"),
            gold=gathering.label(row[_LABEL_COLUMN[request.task]], row.place),
            id=row.required("utterance_id"),
            metadata={"valence": row.number("valence_multimodal")},
        )
        dialogue = row.required("dialogue_id")
        group = dialogue.split("_")[0]
        order = row.integer("utterance_id")
        gathering.turn(row.place, dialogue, utterance, order=order, group=group)
    return gathering.finish()


INFO = DatasetInfo(
    name="emotiontalk",
    title="EmotionTalk",
    languages=("zh",),
    licence="CC BY-NC-SA 4.0",
    citation="EmotionTalk: An Interactive Chinese Multimodal Emotion Dataset With Rich "
    "Annotations, Beijing Academy of Artificial Intelligence, 2025",
    source=SOURCE,
    tasks={
        "emotion": Task("emotiontalk-7", about="the emotion of the text alone"),
        "emotion-multimodal": Task("emotiontalk-7", about="the emotion of text, voice and face"),
    },
    splits=tuple(_FILES),
    group_kind="recording group",
    layouts=("{train,valid,test}.csv (" + ", ".join(_COLUMNS) + ")",),
    read=read,
    expected={
        "train": Count(15413, 587, 11),
        "dev": Count(1908, 71, 2),
        "test": Count(1929, 84, 2),
    },
    notes=(
        "Test has two recording groups with four speakers: an interval over two units means "
        "little, one over dialogues flatters.",
        "Utterance ids are a counter that both speakers share; it gives the order of turns.",
    ),
    not_fetched="Its licence excludes commercial use, and our copy was joined from several files.",
)
