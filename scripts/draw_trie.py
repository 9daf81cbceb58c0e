"""Draw docs/trie.svg: a dialogue's trie, and the attention mask its depth-first order gives.

The mask is not drawn by hand: it is what :func:`sentixrl.trie.plan` hands the engine.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sentixrl.trie import Node, PackBudget, PromptTrie, plan

TARGET = Path(__file__).parent.parent / "docs" / "trie.svg"
INK, PAPER, SHARED, BRANCH = "#1f2933", "#ffffff", "#2f6f8f", "#c9772f"
CELL = 13

# (text, tokens, column, row, kind); a node hangs from the one named by its parent's index.
NODES = (
    ("instruction + labels", 3, 0, 1, SHARED, -1),
    ("turn 1", 3, 1, 1, SHARED, 0),
    ("emotion?", 2, 2, 0, BRANCH, 1),
    ("joy · right?", 2, 3, 0, BRANCH, 2),
    ("turn 2", 3, 2, 1, SHARED, 1),
    ("emotion?", 2, 3, 1, BRANCH, 4),
    ("turn 3", 3, 3, 2, SHARED, 4),
    ("emotion?", 2, 4, 2, BRANCH, 6),
)


def picture() -> str:
    """The whole drawing."""
    tree = [*_edges(), *(_box(n) for n in range(len(NODES)))]
    mask, size = _mask()
    top = 190
    height = top + size + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 820 {height}" '
        f'font-family="system-ui, sans-serif" font-size="13" fill="{INK}">',
        f'<rect width="820" height="{height}" fill="{PAPER}"/>',
        *tree,
        f'<g transform="translate(150,{top})">{"".join(mask)}</g>',
        _legend(top, size),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _place(index: int) -> tuple[float, float]:
    _, _, column, row, _, _ = NODES[index]
    return 20 + column * 160, 20 + row * 52


def _box(index: int) -> str:
    text, tokens, _, _, colour, _ = NODES[index]
    x, y = _place(index)
    return (
        f'<rect x="{x}" y="{y}" width="140" height="34" rx="6" fill="{colour}"/>'
        f'<text x="{x + 70}" y="{y + 21}" text-anchor="middle" fill="{PAPER}">{text}'
        f'<tspan font-size="10" dx="6">{tokens}</tspan></text>'
    )


def _edges() -> list[str]:
    lines = []
    for index, (*_, parent) in enumerate(NODES):
        if parent < 0:
            continue
        (x1, y1), (x2, y2) = _place(parent), _place(index)
        lines.append(
            f'<path d="M{x1 + 140},{y1 + 17} C{x1 + 152},{y1 + 17} {x2 - 12},{y2 + 17} '
            f'{x2},{y2 + 17}" fill="none" stroke="{INK}" stroke-width="1.5"/>'
        )
    return lines


def _mask() -> tuple[list[str], int]:
    """The cells of the mask, in the order the engine computes the tokens."""
    trie = PromptTrie()
    ends: list[Node] = []
    colours: dict[int, str] = {}
    for index, (_, tokens, _, _, colour, parent) in enumerate(NODES):
        run = np.arange(tokens, dtype=np.int64) + 10 * index
        ends.append(trie.insert(run, below=ends[parent] if parent >= 0 else None))
        colours.update(dict.fromkeys(run.tolist(), colour))
    (pack,) = plan(trie, ends, PackBudget(row=1024, waste=1024))
    visible = pack.rows[0].visible()
    cells = []
    for q, token in enumerate(pack.tokens.tolist()):
        for k in range(len(pack)):
            fill = colours[token] if visible[q, k] else "#e8ebee"
            cells.append(
                f'<rect x="{k * CELL}" y="{q * CELL}" width="{CELL - 1}" height="{CELL - 1}" '
                f'fill="{fill}"/>'
            )
    return cells, len(pack) * CELL


def _legend(top: int, size: int) -> str:
    x, y = 150 + size + 30, top + 20
    lines = (
        "Each line is a token, each column a token",
        "it may attend to, in depth-first order.",
        "",
        "A token k is seen by a token q exactly if",
        "k ≤ q &lt; end(k), where end(k) is where the",
        "subtree of k ends: one integer a token",
        "is the whole mask.",
        "",
        "Branches see the trunk above them and",
        "themselves, never each other, and the",
        "trunk never sees a branch.",
    )
    texts = [f'<text x="{x}" y="{y + 20 * n}">{line}</text>' for n, line in enumerate(lines)]
    swatches = (
        f'<rect x="{x}" y="{y + 235}" width="12" height="12" fill="{SHARED}"/>'
        f'<text x="{x + 20}" y="{y + 246}">trunk: computed once for all turns</text>'
        f'<rect x="{x}" y="{y + 257}" width="12" height="12" fill="{BRANCH}"/>'
        f'<text x="{x + 20}" y="{y + 268}">branch: the questions about one turn</text>'
    )
    return "".join(texts) + swatches


if __name__ == "__main__":
    TARGET.write_text(picture(), "utf-8")
