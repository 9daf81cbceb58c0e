"""Draw docs/architecture.svg: the rooms of the house, and one utterance's way through them.

The rooms and their order are those that ``scripts/check_rooms.py`` enforces.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

from check_rooms import ORDER

TARGET = Path(__file__).parent.parent / "docs" / "architecture.svg"
INK, PAPER, FLOOR, WAY = "#1f2933", "#ffffff", "#e8eef2", "#c9772f"
WIDTH, LEFT, ROOM, TOP, STEP = 940, 24, 380, 56, 46

WAY_STEPS = {
    "formats": "“Ana: You kept my letter?” becomes an Utterance of a Dialogue",
    "context": "instruction, labels, history: a Prompt of segments",
    "trie": "prompts that begin alike share their tokens",
    "engines": "log-probabilities of the labels, each token computed once",
    "calibration": "scores become posteriors",
    "negotiation": "generator, discriminator, round by round; workers run many",
    "classifier": "one Prediction per utterance, in order",
    "evaluation": "or: against gold labels, with intervals",
    "cli": "a table, JSON or CSV",
}
"""Room → what happens there to an utterance that is classified."""


def picture() -> str:
    """The whole drawing."""
    height = TOP + STEP * len(ORDER) + 20
    stops = []
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'font-family="system-ui, sans-serif" font-size="14" fill="{INK}">',
        "<title>The rooms, and one utterance's way through them</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="{PAPER}"/>',
        f'<text x="{LEFT}" y="30" font-weight="600">Rooms: each may import those above it</text>',
        f'<text x="{LEFT + ROOM + 48}" y="30" font-weight="600" fill="{WAY}">'
        "One utterance's way</text>",
    ]
    for place, rooms in enumerate(ORDER):
        y = TOP + STEP * place
        name = " · ".join(sorted(rooms))
        parts.append(
            f'<rect x="{LEFT}" y="{y}" width="{ROOM}" height="34" rx="6" fill="{FLOOR}"/>'
            f'<text x="{LEFT + 14}" y="{y + 22}">{escape(name)}</text>'
        )
        step = next((WAY_STEPS[room] for room in sorted(rooms) if room in WAY_STEPS), None)
        if step is not None:
            stops.append((y + 17, step))
    x = LEFT + ROOM + 28
    parts.append(
        f'<path d="M{x},{stops[0][0]} V{stops[-1][0]}" stroke="{WAY}" stroke-width="2"/>'
    )
    for y, step in stops:
        parts.append(
            f'<circle cx="{x}" cy="{y}" r="5" fill="{WAY}"/>'
            f'<text x="{x + 20}" y="{y + 5}">{escape(step)}</text>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    TARGET.write_text(picture(), "utf-8")
