"""The page on prompts shows what the code does."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

from sentixrl.context.building import ContextBuilder, ContextOptions, Demonstration
from sentixrl.context.deduction import Deduction
from sentixrl.context.templates import DECISION, PAIRWISE, ROLES, SEVERAL, templates
from sentixrl.context.window import HistoryWindow
from sentixrl.dialogue import Dialogue
from sentixrl.labels import scheme
from sentixrl.negotiation.pairwise import pair_question
from sentixrl.negotiation.several import label_questions

TALK = Dialogue.from_texts(
    [
        ("Mia", "Did the parcel come?"),
        ("Ben", "It did. It was for next door."),
        ("Mia", "Oh. I told Dad it was here."),
    ]
)
PAGE = (Path(__file__).parents[2] / "docs" / "prompts.md").read_text("utf-8")


def test_the_example_is_a_real_prompt() -> None:
    options = ContextOptions(
        deduction="utterance", demonstrations=(Demonstration("What a day!", "joy", "Zoe"),)
    )
    said = Deduction("A hallway at noon.", "Mia and Ben.", "Brother and sister.")
    context = ContextBuilder(scheme("meld-7"), options, len).build(TALK, [said] * 3)[2]
    question = templates("en").render("generator", "question", speaker=context.speaker)
    assert f"```text\n{context.prompt.line('user', question).text}\n```" in PAGE


def test_the_question_about_several_labels_is_a_real_prompt() -> None:
    labels = scheme("brighter-6")
    builder = ContextBuilder(labels, ContextOptions(language="en"), len, several=True)
    questions = label_questions(builder.build(TALK)[2], templates("en"), labels)
    assert f"```text\n{questions[0].prompt.text}\n```" in PAGE


def test_the_question_about_two_labels_is_a_real_prompt() -> None:
    builder = ContextBuilder(scheme("meld-7"), ContextOptions(), len)
    shown = (Demonstration("I told them already.", "neutral", "Zoe"),)
    question = pair_question(
        *(builder, builder.build(TALK)[2], templates("en"), ("surprise", "neutral"), shown)
    )
    assert f"```text\n{question.prompt.text}\n```" in PAGE


def test_the_window_s_table_is_right() -> None:
    starts = HistoryWindow(4, 2).starts([1] * 9)
    assert "first turn  " + "  ".join(map(str, starts)) in PAGE


def test_the_page_lists_every_block_of_every_file() -> None:
    listed: dict[str, list[str]] = {}
    table = PAGE[PAGE.index("| file | block |") :].split("\n\n")[0]
    for row in table.splitlines()[2:]:
        file, block = row.split("|")[1:3]
        role = file.strip(" `").removesuffix(".jinja") or next(reversed(listed))
        listed.setdefault(role, []).extend(re.findall(r"`(\w+)`", block))
    folder = resources.files("sentixrl") / "context" / "templates" / "en"
    for role in (*ROLES, SEVERAL, PAIRWISE, DECISION):
        source = (folder / f"{role}.jinja").read_text("utf-8")
        assert sorted(listed[role]) == sorted(re.findall(r"{% block (\w+) %}", source))
