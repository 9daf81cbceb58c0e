"""Pages as files and in notebooks: whole, inert, and looking as they should."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import combinations

import numpy as np
import pytest

from sentixrl.dialogue import Dialogue
from sentixrl.labels import Label, LabelSet, scheme, scheme_names
from sentixrl.pages import Answered, conversation_page, looks
from sentixrl.pages.arc import MOST_POINTS, arc
from sentixrl.pages.emotions import families, family_of, sign_of
from sentixrl.pages.view import Words, percent
from sentixrl.prediction import (
    DialoguePrediction,
    Evidence,
    ItemError,
    Judgement,
    MoodTurn,
    Prediction,
    Proposal,
    Round,
    Status,
    Verdict,
)

EVIL = "<img src=x onerror=alert(1)>\"'&</style><script>alert(1)</script>"
LABELS = scheme("ekman-7")
TALK = Dialogue.from_texts([("Nadia", "أين كنت؟"), ("Tom", "On the bridge.\nIt was up.")], id="t")
ROUND = Round(1, Proposal("anger", EVIL), Judgement(Verdict.DISAGREE, "fear", EVIL))


def answered(dialogue: Dialogue = TALK) -> DialoguePrediction:
    shares = {"anger": 0.7, "fear": 0.2, "joy": 0.1}
    items = [
        Prediction(place, Status.SINGLE, "anger", "anger", shares, 0.7, rounds=(ROUND,))
        for place in range(len(dialogue))
    ]
    items[-1] = replace(items[-1], evidence=(Evidence(0, -0.5, "fear"),))
    return DialoguePrediction(dialogue.id, "en", "m", "en-v1", tuple(items), dialogue)


def page_of(dialogue: Dialogue, prediction: DialoguePrediction, labels: LabelSet = LABELS) -> str:
    moods = (MoodTurn(1, dialogue.utterances[1].speaker, 0.4, 0.2, "joy", "anger"),)
    return conversation_page([Answered(dialogue, prediction, moods)], labels, "talk.txt")


class Seen(HTMLParser):
    """What a browser would find: elements, attributes, and words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.words += data


def test_a_page_holds_conversation_arc_negotiation_and_evidence() -> None:
    words = " ".join(Seen(page_of(TALK, answered())).words.split())
    for part in (
        "talk.txt", "أين كنت؟", "On the bridge.", "Generator proposes anger",
        "Discriminator disagrees: rather fear", "What moved the model’s answer", "−0.50",
        "The mood of Tom changes at turn 2", "70%", "not calibrated",
    ):  # fmt: skip
        assert part in words, part


def test_nothing_runs_and_nothing_is_loaded() -> None:
    text = page_of(TALK, answered())
    seen = Seen(text)
    assert not {"script", "img", "link", "iframe", "object", "form"} & set(seen.tags)
    names = {name for name, _ in seen.attributes}
    assert not {name for name in names if name.startswith("on")} | {"src", "style"} & names
    links = [value or "" for name, value in seen.attributes if name == "href"]
    assert links
    assert all(link.startswith("#c1-") for link in links)
    assert not re.search(r"https?:|url\(|@import", text)


def test_the_style_is_allowed_by_its_hash_alone() -> None:
    text = page_of(TALK, answered())
    [style] = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'")
    assert "unsafe" not in policy


def test_names_texts_and_labels_that_are_html_stay_words() -> None:
    evil = EVIL[:40]
    labels = LabelSet(EVIL, [evil, "calm"])
    dialogue = Dialogue.from_texts([(EVIL, EVIL), (EVIL, EVIL)], id=EVIL)
    item = Prediction(0, Status.SINGLE, evil, evil, {evil: 0.6, "calm": 0.4}, 0.6, rounds=(ROUND,))
    items = (item, replace(item, index=1))
    prediction = DialoguePrediction(EVIL, "en", EVIL, "en-v1", items, dialogue)
    page = conversation_page([Answered(dialogue, prediction)] * 2, labels, EVIL)
    for text in (page, prediction._repr_html_()):
        seen = Seen(text)
        assert not {"img", "script"} & set(seen.tags)
        assert seen.tags.count("style") == 1
        assert not any(name.startswith("on") for name, _ in seen.attributes)
        assert "onerror=alert(1)" in seen.words


def test_two_conversations_have_links_of_their_own() -> None:
    text = conversation_page([Answered(TALK, answered())] * 2, LABELS, "two")
    ids = [value for name, value in Seen(text).attributes if name == "id"]
    assert len(ids) == len(set(ids)) == 4


def test_what_failed_and_what_is_a_guess_are_told() -> None:
    items = (
        Prediction(0, Status.OUTLIER, fallback="joy"),
        Prediction(1, Status.ERROR, error=ItemError("too_long", "It is too long.")),
    )
    words = Seen(page_of(TALK, replace(answered(), items=items))).words
    assert "no agreement" in words
    assert "It is too long." in words


def test_a_notebook_shows_texts_where_it_has_them_and_few_turns() -> None:
    long = Dialogue.from_texts(["Well."] * 100)
    text = answered(long)._repr_html_()
    assert "40 more turns are not shown" in text
    assert len(text) < 120_000
    assert "Well." in text
    alone = replace(answered(), dialogue=None)
    assert "<td dir" not in alone._repr_html_()
    assert alone == answered()


def test_styles_of_a_notebook_reach_nothing_else() -> None:
    [style] = re.findall(r"<style>(.*?)</style>", answered()._repr_html_(), re.DOTALL)
    plain = re.sub(r"/\*.*?\*/", "", style, flags=re.DOTALL)
    selectors = re.findall(r"([^{}]+)\{", re.sub(r"@media[^{]*\{", "", plain))
    parts = [part.strip() for one in selectors for part in one.split(",")]
    assert parts
    assert all(part.startswith(".sentixrl") for part in parts), parts


@pytest.mark.parametrize("name", scheme_names())
def test_every_label_of_a_scheme_has_a_look(name: str) -> None:
    for label in scheme(name):
        assert family_of(label).name != "other", label.name


def test_looks_follow_name_then_polarity() -> None:
    assert family_of(Label("Furious")).name == "anger"
    assert family_of(Label("groovy", polarity="positive")).name == "joy"
    assert family_of(Label("groovy")).name == "other"
    assert sign_of(Label("groovy", polarity="negative")) == -1
    assert sign_of(Label("scared")) == -1


def test_the_arc_of_a_long_conversation_has_few_points_and_keeps_every_turn_in_one() -> None:
    long = Dialogue.from_texts([("Uma", "Well.")] * 5000)
    drawn = arc(long, answered(long), LABELS, Words(LABELS))
    [lane] = drawn.lanes
    assert len(lane.points) <= MOST_POINTS
    assert lane.points[0].turn == 1
    assert all(0 <= point.x <= drawn.width for point in lane.points)
    assert all(0 <= point.y <= drawn.height for point in lane.points)


def test_up_is_pleasant_or_else_sure() -> None:
    drawn = arc(TALK, answered(), LABELS, Words(LABELS))
    assert drawn.up == "pleasant"
    assert drawn.lanes[0].points[0].y > drawn.lanes[0].middle  # mostly anger: below
    own = LabelSet("own", ["groovy", "square"])
    items = tuple(Prediction(place, Status.SINGLE, "groovy", confidence=0.9) for place in (0, 1))
    drawn = arc(TALK, replace(answered(), items=items), own, Words(own))
    assert drawn.up == "sure"
    assert drawn.lanes[0].points[0].y < drawn.lanes[0].middle


def test_only_what_is_certain_is_a_hundred_per_cent() -> None:
    assert [percent(value) for value in (1.0, 0.999, 0.5, None)] == ["100%", ">99%", "50%", ""]


# What colour-blind people see, as linear maps of linear RGB (Machado, Oliveira and Fernandes 2009).
SIGHT = {
    "all cones": np.eye(3),
    "no red": np.array(
        [[0.152286, 1.052583, -0.204868],
         [0.114503, 0.786281, 0.099216],
         [-0.003882, -0.048116, 1.051998]]
    ),
    "no green": np.array(
        [[0.367322, 0.860646, -0.227968],
         [0.280085, 0.672501, 0.047413],
         [-0.011820, 0.042940, 0.968881]]
    ),
    "no blue": np.array(
        [[1.255528, -0.076749, -0.178779],
         [-0.078411, 0.930809, 0.147602],
         [0.004733, 0.691367, 0.303900]]
    ),
}  # fmt: skip


def _linear(colour: str) -> np.ndarray:
    values = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _lab(linear: np.ndarray) -> np.ndarray:
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    scaled = to_xyz @ np.clip(linear, 0, 1) / np.array([0.9505, 1, 1.089])
    bent = np.where(scaled > 0.008856, np.cbrt(scaled), 7.787 * scaled + 16 / 116)
    return np.array([116 * bent[1] - 16, 500 * (bent[0] - bent[1]), 200 * (bent[1] - bent[2])])


def _colours(css: str) -> dict[str, str]:
    found = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6});", css))
    return {
        name: value if len(value) == 7 else f"#{value[1:] * 2}" for name, value in found.items()
    }


@pytest.mark.parametrize("part", [0, 1], ids=["light", "dark"])
def test_emotions_can_be_told_apart_by_colour_blind_people(part: int) -> None:
    colours = _colours(looks().split("@media")[part])
    emotions = {name: _linear(colours[name]) for name in families()}
    for sight in SIGHT.values():
        for one, other in combinations(emotions.values(), 2):
            assert np.linalg.norm(_lab(sight @ one) - _lab(sight @ other)) > 10
    paper = _linear(colours["paper"]) @ [0.2126, 0.7152, 0.0722]
    for name, colour in colours.items():
        least = 4.5 if name.startswith(("voice", "muted", "ink", "wrong")) else 3.0
        if name in families() or least == 4.5:
            low, high = sorted([colour_light := _linear(colour) @ [0.2126, 0.7152, 0.0722], paper])
            assert (high + 0.05) / (low + 0.05) >= least, (name, colour_light)


def test_every_emotion_has_a_shape_of_its_own() -> None:
    shapes = [family.shape for family in families().values()]
    assert len(set(shapes)) == len(shapes)
