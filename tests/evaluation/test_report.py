from __future__ import annotations

import errno
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.errors import InputError, SentixError
from sentixrl.evaluation import Resampling, build_items, metrics_json
from sentixrl.evaluation.report import Report, render, write_report
from sentixrl.evaluation.report.flow import State, flow
from sentixrl.evaluation.report.mistakes import mistakes
from sentixrl.evaluation.report.numbers import points, signed, span
from sentixrl.evaluation.report.writing import _markdown_text
from sentixrl.labels import LabelSet
from sentixrl.prediction import (
    DialoguePrediction,
    Judgement,
    Prediction,
    Proposal,
    Round,
    Status,
    Verdict,
)
from sentixrl.runs.folder import RunFolder

pytest.importorskip("matplotlib")
pytest.importorskip("scipy")

LABELS = LabelSet("three", ["anger", "joy", "neutral"])
HOW = Resampling(resamples=100, permutations=100)
NASTY = "<script>alert(1)</script> & \"quoted\" 'x' $a_1$ | `b` [c](http://d) \x00\ud800"
TAME = NASTY.replace("\x00", "").replace("\ud800", "")  # what a run folder can hold
ARABIC = "لا أصدق ذلك"
Pair = tuple[Dialogue, DialoguePrediction]


def spoken(*proposals: str | None, agreed: bool, labels: LabelSet = LABELS) -> tuple[Round, ...]:
    """Rounds that propose these labels; the discriminator gives in at the last, or never."""
    rounds = []
    for number, label in enumerate(proposals, start=1):
        agrees = agreed and number == len(proposals)
        counter = next(name for name in labels.names if name != label)
        verdict = Verdict.AGREE if agrees else Verdict.DISAGREE
        judgement = Judgement(verdict, None if agrees else counter, f"because {TAME}")
        rounds.append(Round(number, Proposal(label, "hm"), judgement if label else None))
    return tuple(rounds)


def answered(
    index: int, label: str | None, *, sure: float | None = None, rounds: tuple[Round, ...] = ()
) -> Prediction:
    fallback = label or (rounds[-1].proposal.label if rounds else None)
    status = Status.OUTLIER if label is None else Status.CONSENSUS if rounds else Status.SINGLE
    posterior = None
    if sure is not None:
        rest = (1 - sure) / (len(LABELS) - 1)
        posterior = {name: sure if name == fallback else rest for name in LABELS.names}
    return Prediction(
        index,
        status,
        label,
        fallback,
        posterior,
        sure if label is not None else None,
        rounds=rounds,
    )


def talk(name: str, golds: Sequence[str | None], items: Sequence[Prediction], text: str) -> Pair:
    turns = tuple(
        Utterance(
            f"{text} {place}",
            speaker="ليلى" if place % 2 else "Ann",
            gold=gold,
            id=f"{name}-{place}",
        )
        for place, gold in enumerate(golds)
    )
    prediction = DialoguePrediction(name, "en", "model <m>", "1 (abc)", tuple(items))
    return Dialogue(name, turns), prediction


def a_run(*, negotiated: bool = True, scores: bool = True, text: str = "Words") -> list[Pair]:
    pairs = []
    for number in range(4):
        sure = (0.95, 0.8, 0.6, 0.5)[number] if scores else None
        if negotiated:
            items = [
                answered(0, "joy", sure=sure, rounds=spoken("joy", agreed=True)),
                answered(1, "neutral", sure=sure, rounds=spoken("joy", "neutral", agreed=True)),
                answered(2, None, sure=sure, rounds=spoken("anger", "joy", agreed=False)),
                answered(3, "joy", sure=sure, rounds=spoken("joy", agreed=True)),
            ]
        else:
            items = [answered(place, "joy", sure=sure) for place in range(4)]
        golds = ("joy", "neutral", "anger", "neutral" if number else None)
        pairs.append(talk(f"d{number}", golds, items, text))
    return pairs


RUN: dict[str, Any] = {
    "schema": 1,
    "identity": {"data": {"dataset": "meld", "split": "test", "data_hash": "abcd", "limit": None}},
    "sessions": [{"date": "2025-01-01", "command": "sentixrl evaluate --out `x`"}],
}


def rendered(pairs: list[Pair], labels: LabelSet = LABELS, run: Any = RUN) -> Report:  # noqa: ANN401
    metrics = json.loads(json.dumps(metrics_json(build_items(pairs), labels, how=HOW)))
    return render(pairs, metrics, run, labels)


class Page(HTMLParser):
    """Collects what a browser would open, run or look up."""

    VOID = frozenset({"meta", "br", "img", "link"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.open += [tag] if tag not in self.VOID else []
        for name, value in attrs:
            assert not name.startswith("on"), (tag, name)
            if name in {"src", "href", "xlink:href", "srcset", "action"}:
                self.links.append(value or "")
            if name == "id":
                self.ids.append(value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


@pytest.mark.parametrize(
    ("negotiated", "scores"), [(True, True), (True, False), (False, True), (False, False)]
)
def test_a_page_stands_alone_and_nothing_runs_in_it(negotiated: bool, scores: bool) -> None:
    report = rendered(a_run(negotiated=negotiated, scores=scores, text=NASTY))
    page = Page(report.html)
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    assert all(link.startswith("#") for link in page.links)
    assert set(re.findall(r"url\(([^)]*)\)", report.html)) <= {f"#{name}" for name in page.ids}
    assert {link[1:] for link in page.links} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids)), "pictures share an id"
    assert not page.open
    assert "&lt;script&gt;alert(1)" in report.html
    assert "\x00" not in report.markdown
    assert "<script" not in report.markdown
    names = {picture.name for picture in report.pictures}
    assert ("negotiation" in names) is negotiated
    assert ("What negotiation did" in report.html) is negotiated
    assert ("## What negotiation did" in report.markdown) is negotiated
    assert report.markdown.count("| confidence of the answer |") == (negotiated and scores)
    assert ({"reliability", "risk_coverage"} <= names) is scores
    for name in names:
        assert f"](pictures/{name}.svg)" in report.markdown


def test_pictures_are_files_for_a_paper_and_always_the_same() -> None:
    first, second = rendered(a_run()), rendered(a_run())
    assert first == second
    for picture in first.pictures:
        root = ET.fromstring(picture.standalone)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert "var(--" not in picture.standalone
        assert any(element.tag.endswith("text") for element in root.iter()), "text became paths"
        # A colour left as it is would not follow the page into the dark.
        assert not re.findall(r"(?:fill|stroke): #(?!000000)", picture.inline)


def test_the_numbers_are_those_of_the_metrics() -> None:
    pairs = a_run()
    metrics = metrics_json(build_items(pairs), LABELS, how=HOW)
    report = rendered(pairs)
    best = metrics["weighted_f1"]
    for text in (report.html, report.markdown):
        assert f"Weighted-F1 of {points(best['value'])} (95% interval {span(best)})" in text
        assert "on 15 utterances in 4 dialogues" in text
    row = re.search(r"^\| neutral \| (.*) \|$", report.markdown, re.MULTILINE)
    counts = metrics["confusion"]["strict"][2]
    assert row is not None
    assert [cell.split(" ")[0] for cell in row[1].split(" | ")] == [*map(str, counts), "7"]
    title = ET.fromstring(report.pictures[0].standalone)
    words = [element.text for element in title.iter() if element.tag.endswith("text")]
    assert {"anger", "joy", "neutral", "no label", "57", "43"} <= set(words)


def test_a_mistake_is_found_again_in_the_data() -> None:
    report = rendered(a_run())
    assert "Dialogue d0, turn 3 (utterance d0-2)." in report.markdown
    assert "turn 3 (utterance <bdi>d0-2</bdi>)" in report.html


def test_what_was_run_is_told_whole() -> None:
    report = rendered(a_run())
    assert "<h1>model &lt;m&gt; on meld test</h1>" in report.html
    for fact in ("abcd", "1 (abc)", LABELS.digest, "2025-01-01", "identity · data · split"):
        assert fact in report.html
        assert fact in report.markdown
    assert "<pre>sentixrl evaluate --out `x`</pre>" in report.html
    assert "`` sentixrl evaluate --out `x` ``" in report.markdown
    assert rendered(a_run(), run={}).html.count("<h1>model &lt;m&gt;</h1>") == 1


def test_texts_keep_their_direction() -> None:
    labels = LabelSet("mixed", ["فرح", "حزن", "中性"])
    items = [
        Prediction(0, Status.SINGLE, "فرح", "فرح"),
        Prediction(1, Status.SINGLE, "中性", "中性"),
    ]
    pair = (
        Dialogue(
            "د", (Utterance(ARABIC, speaker="ليلى", gold="حزن"), Utterance("好", gold="中性"))
        ),
        DialoguePrediction("د", "ar", "m", "1", tuple(items)),
    )
    report = rendered([pair], labels)
    assert f'<span class="said" dir="auto">{ARABIC}</span>' in report.html
    assert "<bdi>فرح</bdi>" in report.html
    assert "“\u2068حزن\u2069” was answered “\u2068فرح\u2069” once" in report.html


def test_flow_follows_every_negotiated_utterance() -> None:
    found = flow(a_run())
    assert found.steps == ("first proposal", "after round 1", "after round 2", "final answer")
    # 15 annotated: 4 right at once; 4 fixed; 4 outliers, proposing the truth, then not; 3 wrong.
    assert found.counts[0] == {State.OPEN_RIGHT: 8, State.OPEN_WRONG: 7}
    assert found.counts[1] == {
        State.RIGHT: 4,
        State.WRONG: 3,
        State.OPEN_RIGHT: 4,
        State.OPEN_WRONG: 4,
    }
    assert found.counts[2] == {State.RIGHT: 8, State.WRONG: 3, State.OPEN_WRONG: 4}
    assert found.counts[3] == {State.RIGHT: 8, State.WRONG: 7}
    for before, moves, after in zip(found.counts, found.moves, found.counts[1:], strict=False):
        assert moves.total() == found.total == 15
        for state in State:
            assert sum(n for (source, _), n in moves.items() if source is state) == before[state]
            assert sum(n for (_, target), n in moves.items() if target is state) == after[state]
    assert flow(a_run(negotiated=False)).total == 0


def test_an_unreadable_proposal_has_its_own_place_in_the_flow() -> None:
    rounds = (Round(1, Proposal(None)), Round(2, Proposal(None)))
    pair = talk("d", ["joy"], [Prediction(0, Status.INVALID, rounds=rounds)], "x")
    assert [dict(column) for column in flow([pair]).counts] == [{State.NONE: 1}] * 4
    assert "nothing readable" in rendered([pair, *a_run()]).html


def test_the_surest_mistakes_come_first_with_what_was_said_before() -> None:
    found = mistakes(a_run())
    # Forced answers come last; the first dialogue's last turn has no gold label.
    assert [(one.dialogue_id, one.number) for one in found] == [
        ("d1", 4), ("d2", 4), ("d3", 4), ("d0", 3), ("d1", 3), ("d2", 3), ("d3", 3),
    ]  # fmt: skip
    assert (found[0].score, found[3].score) == (0.8, None)
    assert [turn.text for turn in found[0].turns] == [f"Words {place}" for place in range(4)]
    assert [turn.target for turn in found[0].turns] == [False, False, False, True]
    assert found[0].posterior[0] == ("joy", 0.8)
    assert [one.verdict for one in found[3].exchanges] == ["disagree", "disagree"]
    assert len(mistakes(a_run(), how_many=2)) == 2


def test_the_gold_label_is_always_among_the_posterior_shown() -> None:
    labels = [f"l{place}" for place in range(9)]
    posterior = {name: (9 - place) / 45 for place, name in enumerate(labels)}
    item = Prediction(0, Status.SINGLE, "l0", "l0", posterior, 0.2)
    pair = talk("d", ["l8"], [item], "x")
    assert [name for name, _ in mistakes([pair])[0].posterior] == ["l0", "l1", "l2", "l8"]


def test_very_long_texts_are_cut() -> None:
    [mistake] = mistakes([talk("d", ["joy"], [answered(0, "anger")], "long " * 500)])
    assert len(mistake.turns[0].text) == 600
    assert mistake.turns[0].text.endswith("…")


def test_a_flawless_run_says_so() -> None:
    pairs = [talk(f"d{n}", ["joy", "joy"], [answered(0, "joy"), answered(1, "joy")], "x")
             for n in range(3)]  # fmt: skip
    assert "There is no mistake." in rendered(pairs).html


@pytest.mark.parametrize("size", [2, 28, 60])
def test_any_number_of_labels(size: int) -> None:
    labels = LabelSet("many", [f"an emotion with a long name {place}" for place in range(size)])
    pairs = [
        talk(f"d{n}", [labels.names[n]], [answered(0, labels.names[(n + 1) % size])], "x")
        for n in range(size)
    ]
    picture = rendered(pairs, labels).pictures[0]
    width, height = map(float, re.findall(r'(?:width|height)="([\d.]+)pt"', picture.standalone)[:2])
    assert 0 < width <= 7.2 * 72 + 1
    assert 0 < height < 12 * 72


def test_a_folder_is_read_and_the_report_written_into_it(tmp_path: Path) -> None:
    pairs = a_run(text=TAME)
    with RunFolder(tmp_path / "run", RUN["identity"]) as run:
        run.begin_session(RUN["sessions"][0])
        for dialogue, prediction in pairs:
            run.append(dialogue, prediction)
        with pytest.raises(InputError, match="metrics"):
            write_report(tmp_path / "run")
        run.write_metrics(metrics_json(build_items(pairs), LABELS, how=HOW))
    write_report(tmp_path / "run")
    html = (tmp_path / "run" / "report.html").read_text("utf-8")
    assert "sentixrl evaluate --out `x`" in html
    assert "on 15 utterances" in (tmp_path / "run" / "report.md").read_text("utf-8")
    assert (tmp_path / "run" / "pictures" / "confusion.svg").is_file()


def test_the_labels_digest_is_that_of_the_run(tmp_path: Path) -> None:
    """It counts display words, which the report itself has not."""
    labels = LabelSet(
        "own", [replace(label, display={"en": f"so {label.name}"}) for label in LABELS.labels]
    )
    assert labels.digest != LABELS.digest
    with RunFolder(tmp_path / "run", RUN["identity"]) as run:
        run.begin_session(RUN["sessions"][0])
        for dialogue, prediction in a_run(text=TAME):
            run.append(dialogue, prediction)
        run.write_metrics(metrics_json(build_items(a_run(text=TAME)), labels, how=HOW))
    write_report(tmp_path / "run")
    page = (tmp_path / "run" / "report.md").read_text("utf-8")
    assert labels.digest in page
    assert LABELS.digest not in page


def test_a_folder_without_a_run_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=re.escape(str(tmp_path))):
        write_report(tmp_path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# no heading", r"\# no heading"),
        ("- no list\n2", r"\- no list 2"),
        ("1. no list", r"1\. no list"),
        ("a|b *c* [d](e)", r"a\|b \*c\* \[d\](e)"),
        ("<b>&", "&lt;b&gt;&amp;"),
        ("77.4", "77.4"),
        ("-0.3", "-0.3"),
    ],
)
def test_markdown_is_made_harmless(text: str, expected: str) -> None:
    assert _markdown_text(text) == expected


def test_unknown_numbers_are_not_zeros() -> None:
    nothing = {"value": None, "low": None, "high": None}
    assert (points(None), signed(None), span(nothing)) == ("–", "–", "–")
    assert (signed(-0.0123), signed(0.00001), signed(0.02)) == ("−1.2", "0.0", "+2.0")


HOSTILE = (
    "<b>joy</b><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "an\u202eger",
    "url(#a) #0067a8",
    "{{ 7 * 7 }}",
)


def test_labels_and_names_are_text_wherever_they_stand() -> None:
    labels = LabelSet("set <i>", list(HOSTILE))
    pairs = [
        talk(f"d<u>{n}", [HOSTILE[n]], [answered(0, HOSTILE[(n + 1) % 5])], "x") for n in range(5)
    ]
    negotiated = talk(
        "n",
        [HOSTILE[0]],
        [answered(0, HOSTILE[1], rounds=spoken(*HOSTILE[:2], agreed=True, labels=labels))],
        "x",
    )
    run = {
        "identity": {"data": {"dataset": "<s>m\u202e", "split": "<p>"}, "<k>": "<v onload=x>"},
        "command": "a <b>",
    }
    report = rendered([*pairs, negotiated], labels, run)
    page = Page(report.html)
    assert not {"script", "img", "s", "u", "v"} & set(page.tags)
    assert "&lt;script&gt;alert(1)" in report.html
    assert "url(#a) #0067a8" in report.html
    assert "{{ 7 * 7 }}" in report.html
    assert "\u202e" not in report.html + report.markdown
    assert r"an\u202eger" in report.html
    assert "<" not in report.markdown.replace("`` ", "` ").replace("a <b>", "")
    for picture in report.pictures:
        texts = [element.text or "" for element in ET.fromstring(picture.standalone).iter()]
        assert not any("&lt;" in text for text in texts)


def written(folder: Path) -> None:
    """A whole run, metrics and all."""
    with RunFolder(folder, RUN["identity"]) as run:
        for dialogue, prediction in a_run(text=TAME):
            run.append(dialogue, prediction)
        run.write_metrics(metrics_json(build_items(a_run(text=TAME)), LABELS, how=HOW))


@pytest.mark.parametrize("value", [None, "text", [], {}, -5, {"a": [1]}])
def test_metrics_of_other_kinds_are_one_sentence(tmp_path: Path, value: object) -> None:
    written(tmp_path)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    refused = 0
    for key in metrics:
        (tmp_path / "metrics.json").write_text(json.dumps({**metrics, key: value}))
        try:
            write_report(tmp_path)
        except InputError:
            refused += 1
    assert refused > len(metrics) // 3


def test_a_full_disk_leaves_no_half_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path)
    write_report(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(SentixError, match="cannot grow"):
        write_report(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
