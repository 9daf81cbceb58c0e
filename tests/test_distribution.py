"""What is shipped and how it is built: extras, workflows, the container, the site's links."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from site_links import outside, rewritten
from site_roles import without_roles

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
TOGETHER = {"train": {"local", "eval"}}
"""The one extra that cannot do without others."""
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.mark.parametrize("extra", sorted(EXTRAS.keys() - {"dev"}))
def test_no_extra_drags_in_another(extra: str) -> None:
    named = {
        part.strip()
        for item in EXTRAS[extra]
        if (found := re.fullmatch(r"sentixrl\[(.+)\]", item))
        for part in found[1].split(",")
    }
    assert named == TOGETHER.get(extra, set())


def test_the_page_on_installing_names_every_extra() -> None:
    page = (ROOT / "docs" / "install.md").read_text("utf-8")
    table = "\n".join(line for line in page.splitlines() if line.startswith("|"))
    assert EXTRAS.keys() - {"dev"} == set(re.findall(r"`(\w+)`(?=[,|\s]+[^|]*\|)", table)) & {
        *EXTRAS
    }


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_have_few_rights_and_say_how_actions_are_pinned(path: Path) -> None:
    text = path.read_text("utf-8")
    content: dict[str, Any] = yaml.safe_load(text)
    assert content["permissions"] == {"contents": "read"}
    used = re.findall(r"uses: (\S+)", text)
    tagged = [action for action in used if re.fullmatch(r"[\w-]+/[\w-]+@v\d+", action)]
    assert used == tagged
    assert "named by tag, not by digest" in text
    for job in content["jobs"].values():
        assert job["runs-on"] == "ubuntu-latest"
        for step in job["steps"]:
            assert step.keys() & {"uses", "run"}
            if step.get("uses", "").startswith("actions/checkout"):
                assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_run_what_there_is(path: Path) -> None:
    text = path.read_text("utf-8")
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in re.findall(r"run: make ([\w-]+)", text):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    for script in re.findall(r"python (scripts/\S+)", text):
        assert (ROOT / script).is_file()


def test_issue_forms_are_forms() -> None:
    forms = list((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
    assert len(forms) >= 3
    for path in forms:
        content = yaml.safe_load(path.read_text("utf-8"))
        if path.stem == "config":
            continue
        assert {"name", "description", "body"} <= content.keys()
        for field in content["body"]:
            assert field["type"] in {"textarea", "input"}
            assert field["attributes"]["label"]


def test_the_container_runs_without_rights_and_is_checked() -> None:
    lines = (ROOT / "Containerfile").read_text("utf-8").replace("\\\n", " ").splitlines()
    steps = [line.split(maxsplit=1) for line in lines if line.strip() and line[0] != "#"]
    last = [word for word, _ in steps][[word for word, _ in steps].index("FROM", 1) :]
    assert last.index("USER") < last.index("ENTRYPOINT")
    assert "HEALTHCHECK" in last
    copied = {
        name
        for word, rest in steps
        if word == "COPY" and "--from" not in rest
        for name in rest.split()[:-1]
    }
    assert all((ROOT / name).exists() for name in copied)
    let_in = set(re.findall(r"^!(\S+)", (ROOT / ".dockerignore").read_text("utf-8"), re.M))
    assert copied == let_in


def test_links_out_of_the_docs_lead_to_copies_on_the_site(tmp_path: Path) -> None:
    page = ROOT / "docs" / "tutorials" / "train-on-your-tickets.md"
    assert ROOT / "examples" / "tickets.yaml" in set(outside(page))
    text = (
        "[`a`](../../examples/tickets.yaml) [b](../training.md#a-recipe) [c](../../recipes) "
        "[d](https://example.org) [e](#here)\n```\n[f](../../examples/tickets.yaml)\n```\n"
    )
    assert rewritten(text, page, "tutorials/train-on-your-tickets.md") == (
        "[`a`](../project/examples/tickets.yaml) [b](../training.md#a-recipe) c "
        "[d](https://example.org) [e](#here)\n```\n[f](../../examples/tickets.yaml)\n```\n"
    )
    contributing = ROOT / "CONTRIBUTING.md"
    assert rewritten("[x](docs/sanm.md)", contributing, "project/CONTRIBUTING.md") == (
        "[x](../sanm.md)"
    )


def test_names_in_docstrings_are_plain_code_on_the_site() -> None:
    html = "<p>:meth:<code>fit</code>, :class:<code>~a.b.C_1</code>; :x:<code>y</code></p>"
    assert without_roles(html) == ("<p><code>fit</code>, <code>C_1</code>; :x:<code>y</code></p>")


def test_every_page_is_on_the_site() -> None:
    named = set(re.findall(r"[\w/-]+\.md", (ROOT / "mkdocs.yml").read_text("utf-8")))
    there = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert named == there
