"""YAML from outside: plain data, in measure.

Contract: a loader that takes :class:`PlainYaml` makes no objects, keeps no key twice, and is done
in time and memory that go with the length of the text, however its aliases, merges, brackets and
numbers are made. Whatever is refused is a :class:`yaml.YAMLError`, or a :class:`RecursionError`.
"""

from __future__ import annotations

from typing import Any

import yaml

MAX_FILE_BYTES = 1_000_000
"""Of a file that is read; the longest of ours has ten thousand."""
MAX_NODES = 100_000
MAX_DEPTH = 50
MAX_DIGITS = 400
_PLAIN_TAG = "tag:yaml.org,2002:"
_TAGS = frozenset({"str", "int", "float", "bool", "null", "timestamp", "seq", "map", "merge"})
_NUMBERS = frozenset({f"{_PLAIN_TAG}int", f"{_PLAIN_TAG}float"})


class PlainYaml(
    yaml.composer.Composer, yaml.constructor.BaseConstructor, yaml.resolver.BaseResolver
):
    """Of a YAML loader: what files from outside may hold.

    No key may stand twice in a mapping, no tag may ask for an object, nothing may be nested or
    repeated by aliases without end, and no number may have more digits than numbers have.
    """

    def get_single_node(self) -> yaml.Node | None:
        """The document, once it is known to be of a sane size."""
        node: yaml.Node | None = super().get_single_node()
        if node is not None:
            _measure(node, {}, 0)
        return node

    def compose_scalar_node(self, anchor: dict[Any, yaml.Node]) -> yaml.ScalarNode:
        """Refuse numbers that take minutes to read, such as ``1:59:59:59``."""
        node: yaml.ScalarNode = super().compose_scalar_node(anchor)
        if node.tag in _NUMBERS and len(node.value) > MAX_DIGITS:
            raise yaml.constructor.ConstructorError(
                problem="a number has too many digits", problem_mark=node.start_mark
            )
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        """Refuse a key given twice, where YAML would silently keep the last."""
        seen: set[str] = set()
        for key, _ in node.value:  # before '<<' puts other mappings' keys among them
            if not isinstance(key, yaml.ScalarNode):
                continue  # no loader takes it
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"the key '{key.value}' stands here twice", problem_mark=key.start_mark
                )
            seen.add(key.value)
        mapping: dict[object, object] = super().construct_mapping(node, deep=deep)
        return mapping


def _measure(node: yaml.Node, sizes: dict[int, int], depth: int) -> int:
    """How many nodes a node is made of once its aliases are written out.

    Raises:
        YAMLError: They are too many, nested too deeply, or ask for objects.
    """
    fault = None
    if depth > MAX_DEPTH:
        fault = "it is nested too deeply, or holds itself"
    elif not node.tag.startswith(_PLAIN_TAG) or node.tag.removeprefix(_PLAIN_TAG) not in _TAGS:
        fault = f"the tag '{node.tag.removeprefix(_PLAIN_TAG)[:60]}' is not read"
    elif id(node) not in sizes:
        parts = node.value if isinstance(node.value, list) else []
        inner = (part for entry in parts for part in (entry if _is_pair(entry) else (entry,)))
        sizes[id(node)] = 1 + sum(_measure(part, sizes, depth + 1) for part in inner)
    if fault is None and sizes[id(node)] > MAX_NODES:
        fault = f"it stands for more than {MAX_NODES:,} values"
    if fault is not None:
        raise yaml.constructor.ConstructorError(problem=fault, problem_mark=node.start_mark)
    return sizes[id(node)]


def _is_pair(entry: object) -> bool:
    return isinstance(entry, tuple)
