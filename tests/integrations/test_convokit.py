"""ConvoKit: the transformer on corpora, and corpora on disk.

The same tests run on ConvoKit's own classes where it is installed, and on a stand-in that has
nothing but the methods the transformer may use.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sentixrl import Dialogue, Utterance
from sentixrl.convokit import EmotionTransformer, read_corpus, write_corpus
from sentixrl.errors import ConfigError, InputError
from sentixrl.prediction import DialoguePrediction, Prediction, Status
from sentixrl.spec import ClassifierSpec

from .stand_in import LABELS, classifier

Line = tuple[str, str, str | None, float | None, str | None]
"""Id, speaker, the id replied to, time, text."""
LINES: list[Line] = [
    ("u1", "Ann", None, 1, "so calm today"),
    ("u3", "Ann", "u2", None, "we are grateful"),
    ("u2", "Ben", "u1", 2, "annoyed, me?"),
    ("u4", "Ben", "u3", 4, ""),
]


@dataclass
class _Speaker:
    id: str


@dataclass
class _Utterance:
    id: str
    speaker: _Speaker
    reply_to: str | None
    timestamp: float | None
    text: str | None
    meta: dict[str, Any] = field(default_factory=dict)

    def add_meta(self, key: str, value: object) -> None:
        self.meta[key] = value


@dataclass
class _Conversation:
    id: str
    utterances: list[_Utterance]

    def iter_utterances(self) -> Iterator[_Utterance]:
        return iter(self.utterances)


@dataclass
class _Corpus:
    conversation: _Conversation

    def iter_conversations(self) -> Iterator[_Conversation]:
        return iter([self.conversation])

    def iter_utterances(self) -> Iterator[_Utterance]:
        return self.conversation.iter_utterances()

    def get_utterance(self, id: str) -> _Utterance:
        return next(one for one in self.conversation.utterances if one.id == id)


def stand_in(lines: Iterable[Line]) -> _Corpus:
    made = [
        _Utterance(id, _Speaker(who), reply_to, time, text)
        for id, who, reply_to, time, text in lines
    ]
    return _Corpus(_Conversation("u1", made))


@pytest.fixture(scope="module")
def convokit() -> ModuleType:
    """The real library."""
    found: ModuleType = pytest.importorskip("convokit")
    return found


@pytest.fixture(params=["a stand-in", "convokit"])
def corpus_of(request: pytest.FixtureRequest) -> Callable[[list[Line]], Any]:
    """A function that makes a corpus."""
    if request.param == "a stand-in":
        return stand_in
    convokit = request.getfixturevalue("convokit")
    speakers = {name: convokit.Speaker(id=name) for name in ("Ann", "Ben")}

    def make(lines: list[Line]) -> Any:  # noqa: ANN401
        return convokit.Corpus(
            utterances=[
                convokit.Utterance(
                    id=id,
                    speaker=speakers[who],
                    conversation_id="u1",
                    reply_to=reply_to,
                    timestamp=time,
                    text=text,
                )
                for id, who, reply_to, time, text in lines
            ]
        )

    return make


def test_emotions_are_written_into_meta(corpus_of: Callable[[list[Line]], Any]) -> None:
    transformer = EmotionTransformer(LABELS, model=classifier(), probabilities=True)
    corpus = corpus_of(LINES)
    assert transformer.fit_transform(corpus) is corpus
    found = {one.id: one.meta for one in corpus.iter_utterances()}
    assert [found[f"u{at}"]["emotion"] for at in (1, 2, 3)] == ["calm", "annoyed", "grateful"]
    assert found["u1"]["emotion_status"] == "single"
    assert sum(found["u1"]["emotion_probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert {found["u4"][key] for key in ("emotion", "emotion_confidence")} == {None}
    assert transformer.summarize(corpus) == {"calm": 1, "annoyed": 1, "grateful": 1}


def test_turns_are_read_behind_what_they_reply_to(
    corpus_of: Callable[[list[Line]], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = classifier()
    asked: list[Dialogue] = []
    predict_many = type(model).predict_many

    def noting(self: Any, dialogues: list[Dialogue]) -> Any:  # noqa: ANN401
        asked.extend(dialogues)
        return predict_many(self, dialogues)

    monkeypatch.setattr(type(model), "predict_many", noting)
    EmotionTransformer(model=model).transform(corpus_of(LINES))
    [dialogue] = asked
    assert [turn.id for turn in dialogue] == ["u1", "u2", "u3"]
    assert [turn.speaker for turn in dialogue] == ["Ann", "Ben", "Ann"]


def test_replies_in_a_circle_are_one_sentence(corpus_of: Callable[[list[Line]], Any]) -> None:
    circle = [LINES[0], ("u2", "Ben", "u3", 2, "x"), ("u3", "Ann", "u2", 3, "y")]
    with pytest.raises(InputError, match="replies of the conversation 'u1' go in a circle"):
        EmotionTransformer(model=classifier()).transform(corpus_of(circle))


def test_in_a_pipeline_of_convokit(convokit: ModuleType, loads: list[ClassifierSpec]) -> None:
    pipe = convokit.ConvokitPipeline(
        [("first", EmotionTransformer(LABELS)), ("again", EmotionTransformer(LABELS, key="mood"))]
    )
    utterance = pipe.transform_utterance("so calm")
    assert (utterance.meta["emotion"], utterance.meta["mood"]) == ("calm", "calm")
    assert len(loads) == 1


def test_convokit_loads_what_is_written(convokit: ModuleType, tmp_path: Path) -> None:
    talks = [[("Ann", "so calm"), ("Ben", "annoyed, me?")]]
    write_corpus(tmp_path / "c", talks, list(classifier().predict_many(talks)))
    corpus = convokit.Corpus(filename=str(tmp_path / "c"))
    found = [one.meta["emotion"] for one in corpus.iter_utterances()]
    assert found == ["calm", "annoyed"]
    EmotionTransformer("calm, annoyed", model=classifier()).transform(corpus)
    corpus.dump("again", base_path=str(tmp_path))
    [dialogue] = read_corpus(tmp_path / "again")
    assert [turn.metadata["emotion"] for turn in dialogue] == ["calm", "annoyed"]


def test_a_corpus_on_disk_goes_out_and_in_with_predictions(tmp_path: Path) -> None:
    talk = Dialogue("d", (Utterance("so calm", speaker="Ann", gold="calm"), Utterance("grateful")))
    write_corpus(tmp_path / "plain", [talk])
    assert read_corpus(tmp_path / "plain") == [talk]
    write_corpus(tmp_path / "told", [talk], [classifier().predict(talk)])
    lines = (tmp_path / "told" / "utterances.jsonl").read_text("utf-8").splitlines()
    meta = json.loads(lines[0])["meta"]
    assert (meta["label"], meta["emotion"], meta["emotion_status"]) == ("calm", "calm", "single")
    assert 0 < meta["emotion_confidence"] < 1
    several = DialoguePrediction(
        "d",
        "en",
        "m",
        "t",
        (
            Prediction(0, Status.SINGLE, labels=("calm", "grateful")),
            Prediction(1, Status.SINGLE, labels=()),
        ),
    )
    write_corpus(tmp_path / "several", [talk], [several])
    [again] = read_corpus(tmp_path / "several")
    assert [turn.metadata["emotion_labels"] for turn in again] == ["calm; grateful", "[]"]


def test_what_is_no_corpus_is_said() -> None:
    with pytest.raises(ConfigError, match="not a value of type 'list'"):
        EmotionTransformer(model=classifier()).transform([])
