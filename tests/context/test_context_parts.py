"""The parts I, H, L, E and demonstrations: what each shows, and that each switches off alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentixrl.context.building import (
    ContextBuilder,
    ContextOptions,
    Demonstration,
    TargetContext,
)
from sentixrl.context.deduction import Deduction
from sentixrl.context.prompt import Prompt
from sentixrl.context.window import HistoryWindow
from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.errors import ConfigError, LabelError
from sentixrl.labels import Label, LabelSet, scheme

modestly = settings(deadline=None)

MELD = scheme("meld-7")
TALK = Dialogue.from_texts(
    [
        ("Mia", "Did the parcel come?"),
        ("Ben", "It did. It was for next door."),
        ("Mia", "Oh. I told Dad it was here."),
        ("Ben", "Then we had better ring him."),
    ]
)
E_TALK = [Deduction(f"S{n}.", f"P{n}.", f"R{n}.") for n in range(len(TALK))]
EVERYTHING = ContextOptions(
    deduction="utterance", demonstrations=(Demonstration("What a day!", "joy", "Zoe"),)
)


def words(text: str) -> int:
    return len(text.split())


def build(
    options: ContextOptions,
    dialogue: Dialogue = TALK,
    deductions: Sequence[Deduction | None] | None = None,
) -> list[TargetContext]:
    return ContextBuilder(MELD, options, words).build(dialogue, deductions)


def lines(options: ContextOptions, target: int = 2) -> list[str]:
    return build(options, deductions=E_TALK)[target].prompt.text.split("\n")


def test_all_parts_stand_in_their_order() -> None:
    assert lines(EVERYTHING) == [
        "Read the conversation and name the one emotion the speaker feels.",
        "Emotions: neutral, surprise, fear, sadness, joy, disgust, anger.",
        "Example. Zoe: What a day! Emotion: joy.",
        "Mia: Did the parcel come?",
        "Ben: It did. It was for next door.",
        "Mia: Oh. I told Dad it was here.",
        "Scene: S2. People: P2. Relationships: R2.",
    ]


@pytest.mark.parametrize(
    ("switched", "gone"),
    [
        (replace(EVERYTHING, instruction=False), {0}),
        (replace(EVERYTHING, labels=False), {1}),
        (replace(EVERYTHING, demonstrations=()), {2}),
        (replace(EVERYTHING, history=False), {3, 4}),
        (replace(EVERYTHING, deduction="off"), {6}),
    ],
    ids=["I", "L", "demonstrations", "H", "E"],
)
def test_each_part_switches_off_alone(switched: ContextOptions, gone: set[int]) -> None:
    kept = [line for place, line in enumerate(lines(EVERYTHING)) if place not in gone]
    assert lines(switched) == kept


def test_with_every_part_off_the_target_remains() -> None:
    bare = ContextOptions(instruction=False, history=False, labels=False)
    for turn, context in zip(TALK, build(bare), strict=True):
        assert context.prompt == Prompt().then("user", f"{turn.speaker}: {turn.text}")


def test_glosses_explain_the_labels() -> None:
    statement = lines(replace(EVERYTHING, glosses=True))[1]
    assert statement.startswith("Emotions: neutral (no clear emotion in what is said); surprise (")


def test_a_gloss_of_several_lines_is_shown_on_one() -> None:
    labels = LabelSet("own", [Label("calm", {"en": "at\n  ease"}), "cross"])
    builder = ContextBuilder(labels, ContextOptions(glosses=True), words)
    assert "\nEmotions: calm (at ease); cross.\n" in builder.build(TALK)[0].prompt.text


def test_a_deduction_per_anchor_stands_before_the_turns_and_is_shared() -> None:
    options = ContextOptions(deduction="anchor", window=HistoryWindow(2, 1))
    dialogue = Dialogue.from_texts([f"Turn {n}" for n in range(5)])
    said = Deduction("S.", "P.", "R.")
    contexts = build(options, dialogue, [None, None, None, said, said])
    assert [context.dropped_turns for context in contexts] == [0, 0, 0, 2, 2]
    assert [context.prompt.messages[-1].segments for context in contexts[2:]] == [
        ("– Turn 0", "\n– Turn 1", "\n– Turn 2"),
        ("Scene: S. People: P. Relationships: R.", "\n– Turn 2", "\n– Turn 3"),
        ("Scene: S. People: P. Relationships: R.", "\n– Turn 2", "\n– Turn 3", "\n– Turn 4"),
    ]


def test_a_deduction_of_several_lines_is_shown_on_one() -> None:
    said = [Deduction("a\nb", "c\u2028d", "e")] * len(TALK)
    text = build(EVERYTHING, deductions=said)[0].prompt.text
    assert text.endswith("\nScene: a b People: c d Relationships: e")


# History ---------------------------------------------------------------------------------------


def test_dropped_turns_are_counted_and_not_shown() -> None:
    options = ContextOptions(window=HistoryWindow(history_max=1, history_min=0))
    contexts = build(options)
    assert [context.dropped_turns for context in contexts] == [0, 0, 2, 2]
    assert "parcel" not in contexts[2].prompt.text
    assert [context.index for context in contexts] == [0, 1, 2, 3]


def test_a_mistyped_deduction_is_refused() -> None:
    with pytest.raises(ConfigError, match="no deduction 'Anchor'"):
        ContextOptions(deduction="Anchor")  # type: ignore[arg-type]


def test_without_history_every_earlier_turn_counts_as_dropped() -> None:
    contexts = build(ContextOptions(history=False))
    assert [context.dropped_turns for context in contexts] == [0, 1, 2, 3]


def test_the_window_counts_what_prompts_show_speakers_included() -> None:
    named = Dialogue.from_texts([("A very long name of many words", "Yes")] * 4)
    options = ContextOptions(window=HistoryWindow(history_max=3, history_min=0, max_tokens=16))
    builder = ContextBuilder(MELD, options, words)
    contexts = list(builder.build(named))
    assert [context.dropped_turns for context in contexts] == [0, 0, 2, 2]
    for context in contexts:
        assert words(context.prompt.messages[-1].segments[0]) == 8
        assert sum(map(words, context.prompt.messages[-1].segments)) <= 16


utterances = st.builds(
    Utterance,
    text=st.text(min_size=1, max_size=30),
    speaker=st.one_of(st.none(), st.sampled_from(["Ann", "Bo", "###"]), st.text(max_size=8)),
    gold=st.one_of(st.none(), st.sampled_from(MELD.names)),
)
turn_lists = st.lists(utterances, min_size=1, max_size=8)
options_drawn = st.builds(
    ContextOptions,
    instruction=st.booleans(),
    history=st.booleans(),
    labels=st.booleans(),
    glosses=st.booleans(),
    demonstrations=st.sampled_from([(), (Demonstration("What a day!", "joy"),)]),
    window=st.sampled_from([HistoryWindow(), HistoryWindow(3, 1), HistoryWindow(5, 2, 20)]),
    language=st.sampled_from(["en", "zh", "es", "ar", "hi"]),
    anonymous=st.booleans(),
)


@modestly
@given(options_drawn, turn_lists, turn_lists)
def test_later_turns_never_show(
    options: ContextOptions, turns: list[Utterance], later: list[Utterance]
) -> None:
    short = build(options, Dialogue("1", tuple(turns)))
    long = build(options, Dialogue("1", tuple(turns + later)))
    assert long[: len(short)] == short


@modestly
@given(options_drawn, turn_lists)
def test_gold_labels_never_show(options: ContextOptions, turns: list[Utterance]) -> None:
    blind = tuple(replace(turn, gold=None) for turn in turns)
    dialogue = Dialogue("1", tuple(turns))
    assert build(options, dialogue) == build(options, replace(dialogue, utterances=blind))


def test_a_gold_label_of_its_own_kind_is_nowhere_to_be_read() -> None:
    told = tuple(replace(turn, gold="GOLD") for turn in TALK)
    for context in build(EVERYTHING, replace(TALK, utterances=told), E_TALK):
        assert "GOLD" not in context.prompt.text


@modestly
@given(options_drawn, turn_lists)
def test_prompts_of_one_window_share_all_but_their_last_segments(
    options: ContextOptions, turns: list[Utterance]
) -> None:
    contexts = build(options, Dialogue("1", tuple(turns)))
    for before, after in pairwise(contexts):
        assert before.prompt.messages[:-1] == after.prompt.messages[:-1]
        if before.dropped_turns == after.dropped_turns:
            earlier, later = before.prompt.messages[-1], after.prompt.messages[-1]
            assert later.segments[:-1] == earlier.segments


def test_all_dialogues_of_a_language_share_their_head() -> None:
    other = Dialogue.from_texts(["Where have you been?"])
    heads = [build(EVERYTHING, dialogue)[0].prompt.messages[0] for dialogue in (TALK, other)]
    assert heads[0] == heads[1]
    assert heads[0].role == "system"


# Demonstrations, speakers, language ----------------------------------------------------------


def test_a_demonstration_speaks_the_template_s_language() -> None:
    options = ContextOptions(language="zh", demonstrations=(Demonstration("太好了！", "joy"),))
    assert "\n例句。某人：太好了！ 情绪：喜悦。\n" in build(options)[0].prompt.text


def test_a_demonstration_with_a_foreign_label_is_refused() -> None:
    options = ContextOptions(demonstrations=(Demonstration("Hm.", "envy"),))
    with pytest.raises(LabelError, match="envy"):
        build(options)


def test_anonymous_speakers_are_letters_by_first_appearance() -> None:
    contexts = build(replace(EVERYTHING, anonymous=True), deductions=E_TALK)
    assert [context.speaker for context in contexts] == ["A", "B", "A", "B"]
    text = contexts[-1].prompt.text
    assert "\nA: Oh. I told Dad it was here.\nB: Then we" in text
    assert "Example. Someone: What a day!" in text
    assert not any(name in text for name in ("Mia", "Ben", "Zoe"))


def test_many_anonymous_speakers_have_letters_of_their_own() -> None:
    names = [f"{'long ' * 20}{number}" for number in range(800)] + [""]
    dialogue = Dialogue.from_texts([(name, "Yes.") for name in names])
    shown = [c.speaker for c in build(ContextOptions(anonymous=True), dialogue)]
    assert shown[:2] + shown[25:28] + shown[701:703] == ["A", "B", "Z", "AA", "AB", "ZZ", "AAA"]
    assert len(set(shown)) == len(names)
    assert shown[-1] is None


@pytest.mark.parametrize(
    ("option", "declared", "text", "language"),
    [
        ("auto", None, "Mira cómo está el suelo, Julián", "es"),
        ("auto", "zh", "OK", "zh"),
        ("auto", "fr", "¿Qué?", "en"),  # known, but without templates: the default
        ("hi", "zh", "你好", "hi"),
    ],
)
def test_the_language_is_set_or_declared_or_told_from_the_text(
    option: str, declared: str | None, text: str, language: str
) -> None:
    dialogue = Dialogue("1", (Utterance(text),), language=declared)
    builder = ContextBuilder(MELD, ContextOptions(language=option), words)
    assert builder.template_for(dialogue).language == language


def test_a_language_without_templates_is_refused() -> None:
    with pytest.raises(ConfigError, match="'fr'"):
        build(ContextOptions(language="fr"))
