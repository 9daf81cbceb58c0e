"""A model's own chat template, rendered where it can do no harm.

Contract: a template is a program that came with a model. It runs in a process of its own, in
Jinja's sandbox, with limited memory and time; only the text that it makes comes back. Every failure
is one :class:`~sentixrl.errors.ModelError`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from jinja2 import TemplateError, TemplateSyntaxError, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from sentixrl.errors import ModelError
from sentixrl.formats.characters import shown

MAX_TEMPLATE = 1_000_000
"""Characters of a template; real ones have up to twenty thousand."""
MAX_MARKUP = 100_000
"""Characters that a template may write around messages."""
MEMORY = 1 << 30
"""Bytes of address space, where the system limits them."""
CPU_SECONDS = 5
SECONDS = 60.0
"""Seconds of wall-clock time, including the start of the process."""
UNUSABLE = "unusable_template"
"""The code of errors that other messages would not avoid."""
HINT = "Use plain text: --prompt-format plain."


@lru_cache(maxsize=500)
def render(
    template: str,
    roles: tuple[str, ...],
    contents: tuple[str, ...],
    special: tuple[tuple[str, str], ...],
) -> str:
    """The text that a template makes of messages.

    Args:
        template: Its Jinja text.
        roles: The role of each message.
        contents: The text of each message.
        special: Names such as ``bos_token`` that it may use, and their texts.

    Raises:
        ModelError: It is no template, fails, does not take these roles, or takes too long or too
            much memory.
    """
    if len(template) > MAX_TEMPLATE:
        raise _unusable(f"is longer than {MAX_TEMPLATE:,} characters")
    messages = [{"role": r, "content": c} for r, c in zip(roles, contents, strict=True)]
    request = {
        "template": template,
        "messages": messages,
        "special": dict(special),
        "cpu_seconds": CPU_SECONDS,
    }
    try:
        process = subprocess.run(
            [sys.executable, "-m", __name__],
            input=json.dumps(request).encode(),
            capture_output=True,
            timeout=SECONDS,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            check=False,
        )
        answer = json.loads(process.stdout)
    except subprocess.TimeoutExpired:
        raise _unusable("takes too long") from None
    except OSError as error:
        raise _unusable(f"cannot be run: {error.strerror or error}") from None
    except ValueError:  # it ended in the middle
        raise _unusable(_ended(process)) from None
    if (unusable := answer.get("unusable")) is not None:
        raise _unusable(unusable)
    if (refused := answer.get("refused")) is not None:
        raise ModelError(f"The model's chat template {refused}.", hint=HINT)
    text: str = answer["text"]
    return text


def _ended(process: subprocess.CompletedProcess[bytes]) -> str:
    """Why the separate process gave no answer, as the end of a sentence."""
    lines = process.stderr.decode("utf-8", "replace").strip().splitlines()
    last = shown(lines[-1].strip(), 200).rstrip(".") if lines else ""
    if process.returncode < 0 or last.startswith("MemoryError"):  # the system ended it
        return "takes too long or too much memory"
    return f"cannot be run: {last or f'its process ended with status {process.returncode}'}"


def _unusable(why: str) -> ModelError:
    return ModelError(f"The model's chat template {why}.", hint=HINT, code=UNUSABLE)


class _Generation(Extension):
    """``{% generation %}`` around an assistant's text, a mark for training that prints nothing."""

    tags = {"generation"}  # noqa: RUF012 (jinja2 declares it so)

    def parse(self, parser: Parser) -> nodes.Node:
        """The marked statements, in a scope of their own as transformers has it."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body, lineno=line)


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.loopcontrols", _Generation],
    )

    def refuse(message: str) -> None:
        raise TemplateError(message)

    environment.globals["raise_exception"] = refuse
    environment.globals["strftime_now"] = lambda form: ""
    return environment


def _answered(request: Mapping[str, Any]) -> dict[str, str]:
    """The answer of the separate process: ``text``, or why there is none."""
    messages: Sequence[Mapping[str, str]] = request["messages"]
    special: Mapping[str, str] = request["special"]
    opened = not messages or messages[-1]["role"] != "assistant"
    try:
        template = _environment().from_string(request["template"])
    except TemplateSyntaxError as error:
        return {"unusable": f"is not valid: {_first_line(error)}"}
    refused = "does not take these messages"
    for form in _forms(messages):
        try:
            text = template.render(messages=form, add_generation_prompt=opened, **special)
        except Exception as error:  # a template may raise anything
            if form is not messages:
                refused = f"fails: {_first_line(error)}"
        else:
            if len(text) > MAX_MARKUP:
                return {"unusable": f"writes more than {MAX_MARKUP:,} characters"}
            return {"text": text}
    return {"refused": refused}


def _forms(messages: Sequence[Mapping[str, str]]) -> list[Sequence[Mapping[str, str]]]:
    """The messages, and how they are given to a template without system messages."""
    forms = [messages]
    if len(messages) > 1 and messages[0]["role"] == "system":
        first, second = messages[:2]
        merged = {"role": "user", "content": f"{first['content']}\n{second['content']}"}
        forms.append([merged, *messages[2:]])
    return forms


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200].rstrip(".")


def _limit(cpu_seconds: int) -> None:
    """Limit memory to what a template needs; where systems cannot, time alone is limited."""
    if sys.platform == "win32":
        return
    import resource

    for kind, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        _, ceiling = resource.getrlimit(kind)
        bound = most if ceiling == resource.RLIM_INFINITY else min(most, ceiling)
        resource.setrlimit(kind, (bound, bound))


def _serve() -> None:
    request = json.load(sys.stdin)
    _limit(request["cpu_seconds"])
    try:
        answer = _answered(request)
    except Exception as error:
        kind = "too much memory" if isinstance(error, MemoryError) else type(error).__name__
        answer = {"unusable": f"cannot be run: {kind}"}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    _serve()
