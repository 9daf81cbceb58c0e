"""Three people with a question, and how they get to its answer.

- Inés has her family's chat of a Sunday, as WhatsApp exports it, and wants to know when it went
  wrong and what was said before. She reads Spanish, and shows the picture to her brother, without
  anybody's name.
- Marek leads a support team. He has the captions of a call as VTT, wants his own labels, and looks
  for the turns that the model is unsure of, to listen to them himself.
- Yuna studies television dialogue. She has a table with speakers, corrects what the model got
  wrong, and takes the corrected labels along, to evaluate with them.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from sentixrl.formats import read_dialogues

from .acting import answered, ask, labels
from .conftest import Open

CHAT = """\
12/05/24, 10:02 - Los mensajes y las llamadas están cifrados de extremo a extremo.
12/05/24, 10:02 - Inés: ¿Quién trae el pan?
12/05/24, 10:03 - Papá: Yo. Y vosotros, ¿cuándo venís?
12/05/24, 10:05 - Bruno: Yo no voy. El año pasado nadie me avisó.
12/05/24, 10:06 - Inés: Bruno, te llamamos tres veces.
12/05/24, 10:06 - Bruno: <Multimedia omitido>
12/05/24, 10:07 - Bruno: Mentira. No voy y punto!!
12/05/24, 10:20 - Papá: Hijo, I miss you. Tu padre te espera.
12/05/24, 10:21 - Bruno: Llevo helado, entonces.
12/05/24, 10:22 - Inés: ¡Ese es mi tío! jaja, digo, mi hermano
"""
CALL = """\
WEBVTT

00:00:01.000 --> 00:00:04.000
<v Dana>Support, this is Dana.

00:00:04.500 --> 00:00:08.000
<v Mr Okoro>I want a refund. Nobody answers my letters.

00:00:08.500 --> 00:00:11.000
<v Dana>I am sorry. I see all three of them here.

00:00:11.500 --> 00:00:13.000
<v Mr Okoro>And?

00:00:13.500 --> 00:00:17.000
<v Dana>The money left this morning.

00:00:17.500 --> 00:00:20.000
<v Mr Okoro>Really?! Thank you.
"""
SHOW = """\
episode,speaker,text
e1,Hana,The wardrobe was full of his letters.
e1,Juno,And you read them?
e1,Hana,Every one. Truly.
e1,Juno,"You kept them, all alone?"
e2,Juno,Wonderful. The train is late.
e2,Hana,Nobody told me!!
"""


def bring(page: Any, name: str, content: str) -> None:  # noqa: ANN401
    page.locator("#file").set_input_files(
        {"name": name, "mimeType": "text/plain", "buffer": content.encode()}
    )
    page.locator("#preview").wait_for()


def test_ines_and_the_family_chat(open_page: Open) -> None:
    page = open_page(locale="es")
    page.locator("#more summary").click()
    page.locator("#explain").check()
    page.locator("#pseudonyms").check()
    bring(page, "Chat de WhatsApp con Familia.txt", CHAT)
    # 12/05 may be in May or in December: she is asked, nothing is guessed.
    page.locator(".message").wait_for()
    page.get_by_label("Dates").select_option("dmy")
    page.get_by_text("Read as whatsapp").wait_for()
    read = page.locator("#preview-summary").inner_text()
    assert "whatsapp: 8 turns · 3 speakers · left out: " in read
    ask(page)
    assert "enojo" in labels(page)
    # The turn where it went wrong, and what moved the model there.
    page.locator(".turn", has_text="punto").get_by_role("button").click()
    moved = page.locator(".evidence li", has_text="turn 3")
    assert "+" in moved.inner_text()
    assert "enojo" in moved.inner_text()
    assert "Moved the model’s answer to turn 5" in page.locator(".turn").nth(2).inner_text()
    text = page.locator("#answers").inner_text()
    assert not {name for name in ("Bruno", "Inés", "Papá") if name in text}
    page.locator("#export summary").click()
    with page.expect_download() as download:
        page.locator("[data-export='arc.svg']").click()
    assert "Bruno" not in Path(download.value.path()).read_text("utf-8")


def test_marek_and_the_call(open_page: Open) -> None:
    page = open_page()
    bring(page, "call.vtt", CALL)
    assert "webvtt: 6 turns · 2 speakers" in page.locator("#preview-summary").inner_text()
    ask(page)
    page.locator("#labels").select_option("own")
    page.locator("#own").fill("calm, relieved, angry")
    with page.expect_response("**/v1/classify"):
        page.locator("#own").press("Tab")
    answered(page)
    page.wait_for_url("**own=calm**")
    page.locator("#threshold").fill("70")
    page.locator("#by-sure").select_option("unsure")
    unsure = page.locator(".turn").count()
    assert 0 < unsure < 6
    assert set(labels(page)) <= {"calm", "relieved", "angry"}
    page.locator("#by-speaker").select_option("Mr Okoro")
    assert page.locator(".turn").count() <= unsure


def test_yuna_and_the_television_dialogue(open_page: Open, tmp_path: Path) -> None:
    page = open_page()
    bring(page, "show.csv", SHOW.replace("episode", "dialogue_id"))
    assert "2 conversations" in page.locator("#preview-summary").inner_text()
    ask(page)
    assert page.locator(".which").all_inner_texts() == ["e1", "e2"]
    page.locator(".why").nth(1).click()
    page.locator(".below select").select_option("surprise")
    page.locator("#export summary").click()
    with page.expect_download() as download:
        page.locator("[data-export='gold.json']").click()
    gold = tmp_path / "gold.json"
    gold.write_bytes(Path(download.value.path()).read_bytes())
    dialogues = list(read_dialogues(gold))
    assert [dialogue.id for dialogue in dialogues] == ["e1", "e2"]
    assert dialogues[0].utterances[1].gold == "surprise"
    assert json.loads(gold.read_text("utf-8"))[0]["utterances"][0]["speaker"] == "Hana"
    with page.expect_download() as download:
        page.locator("[data-export='results.csv']").click()
    table = Path(download.value.path()).read_text("utf-8-sig")
    assert [row["dialogue_id"] for row in csv.DictReader(io.StringIO(table))] == ["e1"] * 4 + [
        "e2"
    ] * 2
