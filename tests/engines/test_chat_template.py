"""Chat templates are programs that came with a model: they get their sandbox and no more."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sentixrl.engines.local import chat_template
from sentixrl.engines.local.chat_template import HINT, UNUSABLE, render
from sentixrl.engines.local.prompt_format import ChatFormat, Text, read_tokenizer
from sentixrl.errors import ModelError
from tests.conftest import CHAT_TEMPLATE

CONTENT = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
ESCAPES = (
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ messages.append(1) }}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}",
    "{{ self.__init__.__globals__ }}",
)
GREEDY = {
    "loops": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "a product": "{{ 'a' * 10000000000 }}",
    "a product at run time": "{% set n = messages|length * 10000000000 %}{{ 'a' * n }}",
    "a power": "{{ 9 ** (9 ** 9) }}",
    "a pad": "{{ 'a'.ljust(10000000000) }}",
    "a filter": "{{ 'a' | center(10000000000) }}",
    "doublings": (
        "{% set ns = namespace(x='ab') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}"
        "{% endfor %}{{ ns.x }}"
    ),
    "much": "{% for i in range(90000) %}{{ 'many characters' }}{% endfor %}",
    "itself": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "brackets": "{{ " + "(" * 20_000 + ")" * 20_000 + " }}",
}


@pytest.mark.parametrize("attack", ESCAPES)
def test_the_sandbox_holds(attack: str) -> None:
    with pytest.raises(ModelError, match="chat template") as caught:
        render(attack + CONTENT, ("user",), ("hello",), ())
    assert caught.value.hint == HINT


@pytest.mark.parametrize("attack", GREEDY)
@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_time_memory_and_size_are_bounded(attack: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_template, "CPU_SECONDS", 1)
    with pytest.raises(ModelError, match="chat template") as caught:
        render(GREEDY[attack], ("user",), ("hello",), ())
    assert caught.value.hint == HINT
    assert len(caught.value.message) < 400


def test_what_a_template_may_not_see_is_nothing() -> None:
    seen = "{{ raise_exception.__globals__ }}{{ raise_exception.__code__ }}"
    assert render(seen + CONTENT, ("user",), ("hello",), ()) == "hello"


def test_what_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_template, "SECONDS", 0.001)
    with pytest.raises(ModelError, match="takes too long") as caught:
        render("{{ 'slow' }}", ("user",), ("hello",), ())
    assert caught.value.code == UNUSABLE


@pytest.mark.parametrize(
    ("does", "says"),
    [
        ("raise ImportError('no module \\x1b[31mjinja2' + 'a' * 999)", "no module "),
        ("sys.exit(3)", r"its process ended with status 3\."),
        ("print('{', flush=True); sys.exit(0)", r"its process ended with status 0\."),
        ("raise MemoryError", "takes too long or too much memory"),
        ("import os; os.kill(os.getpid(), 9)", "takes too long or too much memory"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_process_that_fails_says_why(
    monkeypatch: pytest.MonkeyPatch, does: str, says: str
) -> None:
    run = subprocess.run

    def other(command: list[str], **options: Any) -> Any:  # noqa: ANN401
        return run([command[0], "-c", f"import sys; {does}"], **options)

    monkeypatch.setattr(subprocess, "run", other)
    with pytest.raises(ModelError, match=says) as caught:
        render("{{ 'this fails' }}", ("user",), (does,), ())
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 400


def test_a_template_of_megabytes_is_not_even_begun() -> None:
    with pytest.raises(ModelError, match="is longer than 1,000,000 characters"):
        render("x" * 1_000_001, ("user",), ("hello",), ())


def test_a_greedy_template_is_refused_when_the_model_is_opened(tiny_model: Path) -> None:
    text = Text(read_tokenizer(tiny_model), frozenset({1}))
    with pytest.raises(ModelError, match="writes more than"):
        ChatFormat(text, GREEDY["much"], {})


def test_templates_are_rendered_as_they_were() -> None:
    found = render(CHAT_TEMPLATE, ("system", "user"), ("Be kind.", "{{ 7 * 7 }}"), ())
    assert found == (
        "<|start|>system\nBe kind.<|end|>\n<|start|>user\n{{ 7 * 7 }}<|end|>\n<|start|>assistant\n"
    )
    assert render("{{ bos_token }}", ("user",), ("x",), (("bos_token", "<s>"),)) == "<s>"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "[" * 100_000,
        '{"model": {"type": "BPE"}}',
        json.dumps(
            {"version": "1.0", "model": {"type": "WordLevel", "vocab": {}, "unk_token": ""}}
        ),
    ],
)
def test_tokenizers_that_are_none_are_one_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(ModelError, match=r"cannot be read as a tokenizer|tokenizer fails"):
        Text(read_tokenizer(tmp_path), frozenset({1})).bare("hello")


@pytest.mark.parametrize("pattern", ["(?<", "(a+)+$", "[", "(?P<n>a)(?P=n)*", "\\"])
def test_tokenizer_patterns_that_fail_are_one_sentence(
    tiny_model: Path, tmp_path: Path, pattern: str
) -> None:
    tokenizer = json.loads((tiny_model / "tokenizer.json").read_text("utf-8"))
    tokenizer["pre_tokenizer"] = {
        "type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False,
    }  # fmt: skip
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer), "utf-8")
    with contextlib.suppress(ModelError):
        assert Text(read_tokenizer(tmp_path), frozenset({1})).bare("a" * 40 + "b")


def test_links_to_devices_are_no_tokenizers(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").symlink_to("/dev/zero")
    with pytest.raises(ModelError, match="a pipe or a device, not a file"):
        read_tokenizer(tmp_path)
