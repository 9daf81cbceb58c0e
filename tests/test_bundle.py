"""Model bundles: saved and loaded whole, or refused with a sentence."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sentixrl import (
    Calibration,
    ContextOptions,
    Demonstration,
    HistoryWindow,
    Label,
    LabelSet,
    ModelBundle,
    NegotiationOptions,
    Rules,
    scheme,
)
from sentixrl.bundle import ADAPTER_FOLDER, BUNDLE_FILE, LABELS_FILE, release_folder
from sentixrl.context.templates import template_languages, templates
from sentixrl.errors import LabelError, ModelError

OWN = LabelSet(
    "own, mine",
    [
        Label("calm, quiet", {"en": "at rest: no wish"}, "positive", {"es": "calma"}, ("ease",)),
        Label("no", display={"en": "1"}),
        Label("null"),
    ],
    multi_label=True,
)


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    folder = tmp_path / "lora"
    (folder / "deep").mkdir(parents=True)
    (folder / "adapter_config.json").write_text("{}")
    (folder / "deep" / "weights").write_bytes(b"\x00\x01")
    return folder


def whole(adapter: Path) -> ModelBundle:
    return ModelBundle(
        name="mood",
        base="smollm2-135m",
        trained=True,
        labels="meld-7",
        prompt_format="chat",
        templates={name: templates(name).digest for name in template_languages()},
        calibrations={"abc": Calibration(0.7, (0.1, -0.2), fitted=True)},
        context=ContextOptions(
            language="es",
            window=HistoryWindow(history_max=9, history_min=2, max_tokens=300),
            instruction=False,
            history=False,
            labels=False,
            glosses=True,
            deduction="anchor",
            demonstrations=(Demonstration("You came back!", "joy", "Ann"),),
            anonymous=True,
        ),
        negotiation=NegotiationOptions(
            enabled=False,
            rules=Rules(4, 2),
            mode="written",
            confidence_threshold=0.9,
            agree_threshold=0.3,
            correct_priors=True,
            reproducible=False,
        ),
        adapter=adapter,
    )


def test_everything_comes_back(adapter: Path, tmp_path: Path) -> None:
    saved = whole(adapter)
    folder = tmp_path / "deep" / "bundle"
    saved.save(folder)
    loaded = ModelBundle.load(folder)
    assert loaded.adapter == folder / ADAPTER_FOLDER
    assert (folder / ADAPTER_FOLDER / "deep" / "weights").read_bytes() == b"\x00\x01"
    for name in saved.__slots__:
        if name != "adapter":
            assert getattr(loaded, name) == getattr(saved, name), name
    loaded.save(folder)
    assert ModelBundle.load(folder) == loaded


def test_ones_own_labels_come_back_as_they_were(tmp_path: Path) -> None:
    ModelBundle("mood", base="x/y", labels=OWN).save(tmp_path / "b")
    found = ModelBundle.load(tmp_path / "b").labels
    assert isinstance(found, LabelSet)
    assert found == OWN
    assert (found.name, found.labels, found.multi_label) == (OWN.name, OWN.labels, True)
    file = tmp_path / "own.yaml"
    file.write_text((tmp_path / "b" / LABELS_FILE).read_text("utf-8"), "utf-8")
    ModelBundle("mood", base="x/y", labels=str(file)).save(tmp_path / "c")
    file.unlink()
    assert ModelBundle.load(tmp_path / "c").labels == OWN
    with pytest.raises(LabelError):
        ModelBundle("mood", base="x/y", labels="gone.yaml").save(tmp_path / "d")
    ModelBundle("mood", base="x/y", labels="meld-7").save(tmp_path / "c")
    assert not (tmp_path / "c" / LABELS_FILE).exists()


@pytest.mark.parametrize("name", ["cped-13", "goemotions-28"])
def test_named_schemes_survive_as_files_too(tmp_path: Path, name: str) -> None:
    ModelBundle("mood", base="x/y", labels=scheme(name)).save(tmp_path)
    assert ModelBundle.load(tmp_path).labels == scheme(name)


def test_nothing_of_an_earlier_adapter_stays(adapter: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    whole(adapter).save(folder)
    (adapter / "deep" / "weights").unlink()
    (adapter / "deep").rmdir()
    whole(adapter).save(folder)
    assert [path.name for path in (folder / ADAPTER_FOLDER).iterdir()] == ["adapter_config.json"]
    ModelBundle("plain", base="smollm2-135m").save(folder)
    assert not (folder / ADAPTER_FOLDER).exists()
    assert ModelBundle.load(folder).adapter is None


def test_card_and_terms_come_along_to_what_is_made_from_a_bundle(
    adapter: Path, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    whole(adapter).save(first)
    for name in ("README.md", "TERMS.txt", "NOTICE.txt", "LICENSE.md", "notes.txt"):
        (first / name).write_text(f"the {name}")
    whole(adapter).save(second)
    (second / "README.md").write_text("a card of its own")
    ModelBundle.load(first).save(second)
    assert (second / "README.md").read_text() == "a card of its own"
    assert (second / "TERMS.txt").read_text() == "the TERMS.txt"
    assert {file.name for file in second.iterdir()} == {
        *("README.md", "TERMS.txt", "NOTICE.txt", "LICENSE.md"),
        *(BUNDLE_FILE, ADAPTER_FOLDER),
    }
    ModelBundle("other", base="gemma-3-270m").save(second)  # its terms are others
    assert {file.name for file in second.iterdir()} == {BUNDLE_FILE}


@pytest.mark.parametrize("where", ["sentixrl.bundle.write_labels", "shutil.copytree"])
def test_what_breaks_off_leaves_the_old_bundle_whole(
    adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    folder = tmp_path / "bundle"
    whole(adapter).save(folder)
    (folder / "README.md").write_text("a card")
    before = {path.relative_to(folder) for path in folder.rglob("*")}
    changed = replace(whole(adapter).negotiation, confidence_threshold=0.5)

    def full(*arguments: object, **more: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(where, full)
        with pytest.raises(OSError, match="No space"):
            replace(whole(adapter), negotiation=changed).save(folder)
    assert {path.relative_to(folder) for path in folder.rglob("*")} == before
    assert ModelBundle.load(folder).negotiation == whole(adapter).negotiation
    replace(whole(adapter), negotiation=changed).save(folder)
    assert ModelBundle.load(folder).negotiation == changed
    assert {path.relative_to(folder) for path in folder.rglob("*")} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "lora"]


def test_a_bundle_without_its_adapter_is_refused(adapter: Path, tmp_path: Path) -> None:
    """Else it would answer as the base model, under the trained one's name."""
    folder = tmp_path / "bundle"
    whole(adapter).save(folder)
    (folder / ADAPTER_FOLDER).rename(tmp_path / "elsewhere")
    with pytest.raises(ModelError, match="lacks its folder 'adapter'"):
        ModelBundle.load(folder)


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ModelError, match="not empty and not a model bundle"):
        ModelBundle("mood", base="x/y").save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    with pytest.raises(ModelError, match="is a file"):
        ModelBundle("mood", base="x/y").save(tmp_path / "thesis.txt")


def test_other_templates_are_refused(tmp_path: Path) -> None:
    ModelBundle("mood", base="x/y", templates={"en": "0" * 12}).save(tmp_path)
    with pytest.raises(ModelError, match="made with other 'en' prompt templates") as caught:
        ModelBundle.load(tmp_path)
    assert templates("en").digest in caught.value.message
    assert caught.value.hint


BREAKS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown key": ({"colour": "red"}, "colour"),
    "unknown schema": ({"schema": 3}, "schema"),
    "no schema": ({"schema": None}, "schema"),
    "no base": ({"base": None}, "base"),
    "wrong type": ({"trained": "maybe"}, "trained"),
    "wrong option": ({"negotiation": {"enabled": "maybe"}}, "negotiation.enabled"),
    "unknown option": ({"context": {"colour": "red"}}, "context.colour"),
    "unknown rule": ({"negotiation": {"rules": {"max_turns": 3}}}, "negotiation.rules.max_turns"),
    "unknown mode": ({"negotiation": {"mode": "sung"}}, "negotiation.mode"),
    "unknown window": ({"context": {"window": {"turns": 3}}}, "context.window.turns"),
    "other bound": ({"context": {"window": {"max_tokens": "all"}}}, "context.window.max_tokens"),
    "scale beyond all": ({"calibrations": {"abc": {"scale": 1e300}}}, "scale"),
    "scale of 400 digits": ({"calibrations": {"abc": {"scale": int("9" * 400)}}}, "scale"),
    "bias beyond all": ({"calibrations": {"abc": {"bias": [-1e300]}}}, "bias"),
    "scale that is none": ({"calibrations": {"abc": {"scale": float("nan")}}}, "scale"),
    "scale of zero": ({"calibrations": {"abc": {"scale": 0}}}, "scale"),
    "unknown prompt_format": ({"prompt_format": "verse"}, "prompt_format"),
}


@pytest.mark.parametrize("case", BREAKS)
def test_a_bundle_file_that_does_not_fit_names_the_place(tmp_path: Path, case: str) -> None:
    ModelBundle("mood", base="x/y").save(tmp_path)
    content = json.loads((tmp_path / BUNDLE_FILE).read_text("utf-8"))
    change, place = BREAKS[case]
    (tmp_path / BUNDLE_FILE).write_text(json.dumps(content | change))
    with pytest.raises(ModelError, match=f"is not a model bundle: at '.*{place}"):
        ModelBundle.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"negotiation": {"agree_threshold": 1.5}}, "'agree_threshold' is 1.5"),
        (
            {"negotiation": {"rules": {"max_rounds": 0}}},
            "1 agreement.s. are needed in at most 0 round",
        ),
        ({"context": {"window": {"history_max": 2, "history_min": 3}}}, "minimum of 3"),
        ({"context": {"window": {"history_max": int("9" * 400)}}}, "a bound above"),
        ({"negotiation": {"rules": {"max_rounds": int("9" * 400)}}}, "at most 1,000 rounds"),
    ],
)
def test_options_that_cannot_be_are_refused_by_name_of_the_file(
    tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    ModelBundle("mood", base="x/y").save(tmp_path)
    content = json.loads((tmp_path / BUNDLE_FILE).read_text("utf-8"))
    (tmp_path / BUNDLE_FILE).write_text(json.dumps(content | change))
    with pytest.raises(ModelError, match=f"is not a model bundle: .*{says}") as caught:
        ModelBundle.load(tmp_path)
    assert str(tmp_path / BUNDLE_FILE) in caught.value.message


FIRST: dict[str, Any] = {
    "schema": 1,
    "name": "mood",
    "base": "x/y",
    "adapter": False,
    "trained": True,
    "labels": "meld-7",
    "framing": "plain",
    "templates": {},
    "language": "zh",
    "window": {"history_max": 5, "history_min": 1, "max_tokens": 99},
    "calibrations": {"abc": {"scale": 0.5, "bias": [0.25, -0.25]}},
    "negotiate": False,
    "gate": 0.75,
    "agree_threshold": 0.25,
}


def test_a_bundle_of_the_first_version_is_read_in_today_s_words(tmp_path: Path) -> None:
    (tmp_path / BUNDLE_FILE).write_text(json.dumps(FIRST))
    found = ModelBundle.load(tmp_path)
    assert found == ModelBundle(
        "mood",
        base="x/y",
        trained=True,
        labels="meld-7",
        prompt_format="plain",
        context=ContextOptions(language="zh", window=HistoryWindow(5, 1, 99)),
        negotiation=NegotiationOptions(
            enabled=False, confidence_threshold=0.75, agree_threshold=0.25
        ),
        calibrations={"abc": Calibration(0.5, (0.25, -0.25), fitted=True)},
    )
    found.save(tmp_path)
    assert json.loads((tmp_path / BUNDLE_FILE).read_text("utf-8"))["schema"] == 2
    assert ModelBundle.load(tmp_path) == found


def test_the_first_version_took_priors_off_untrained_models(tmp_path: Path) -> None:
    without = {key: value for key, value in FIRST.items() if key not in ("language", "window")}
    (tmp_path / BUNDLE_FILE).write_text(json.dumps(without | {"trained": False, "gate": None}))
    found = ModelBundle.load(tmp_path)
    assert found.negotiation.correct_priors
    assert found.negotiation.confidence_threshold is None
    assert found.context == ContextOptions()


@pytest.mark.parametrize(
    ("change", "place"),
    [({"gate": "high"}, "gate"), ({"prompt_format": "plain"}, "prompt_format"),
     ({"window": {"history_max": 1}}, "window.history_min"), ({"framing": "verse"}, "framing")],
)  # fmt: skip
def test_the_first_version_is_checked_too(
    tmp_path: Path, change: dict[str, Any], place: str
) -> None:
    (tmp_path / BUNDLE_FILE).write_text(json.dumps(FIRST | change))
    with pytest.raises(ModelError, match=f"is not a model bundle: at '{place}'"):
        ModelBundle.load(tmp_path)


def test_the_released_bundle_is_read_and_saved_whole(tmp_path: Path) -> None:
    record = json.loads((release_folder() / BUNDLE_FILE).read_text("utf-8"))
    released = ModelBundle.load(release_folder())
    assert released.prompt_format == record.get("framing", record.get("prompt_format"))
    assert released.context == ContextOptions(language="en", window=HistoryWindow(24, 8, 768))
    assert released.negotiation == NegotiationOptions(enabled=False)
    assert set(released.calibrations) == set(record["calibrations"]) != set()
    released.save(tmp_path / "copy")
    again = ModelBundle.load(tmp_path / "copy")
    assert again.adapter is not None
    assert released.adapter is not None
    names = sorted(path.name for path in released.adapter.iterdir())
    assert sorted(path.name for path in again.adapter.iterdir()) == names
    assert replace(again, adapter=released.adapter) == released


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff\xfe"])
def test_what_is_no_bundle_at_all(tmp_path: Path, content: bytes) -> None:
    (tmp_path / BUNDLE_FILE).write_bytes(content)
    with pytest.raises(ModelError, match="is not a model bundle"):
        ModelBundle.load(tmp_path)
    with pytest.raises(ModelError, match="cannot be read"):
        ModelBundle.load(tmp_path / "nowhere")


@pytest.mark.parametrize("labels", ["/etc/labels.yaml", "../labels.yaml", "other.YML"])
def test_a_bundle_names_no_label_file_but_its_own(tmp_path: Path, labels: str) -> None:
    ModelBundle("mood", base="x/y").save(tmp_path)
    content = json.loads((tmp_path / BUNDLE_FILE).read_text("utf-8"))
    (tmp_path / BUNDLE_FILE).write_text(json.dumps(content | {"labels": labels}))
    with pytest.raises(ModelError, match="names the label file"):
        ModelBundle.load(tmp_path)


@pytest.mark.parametrize(
    "part", ["adapter", "adapter/deep/weights", "adapter/new", "labels.yaml", "TERMS.txt"]
)
def test_links_that_lead_out_of_a_bundle_are_refused(
    adapter: Path, tmp_path: Path, part: str
) -> None:
    folder, outside = tmp_path / "bundle", tmp_path / "outside"
    replace(whole(adapter), labels=OWN).save(folder)
    if (folder / part).exists():
        (folder / part).rename(outside)
    else:
        outside.write_text("private")
    (folder / part).symlink_to(outside)
    with pytest.raises(ModelError, match=f"'{part}' is a link that leads out of it"):
        ModelBundle.load(folder)


@pytest.mark.parametrize("kind", ["device", "pipe", "too large", "deep"])
def test_a_bundle_file_is_read_with_a_bound(tmp_path: Path, kind: str) -> None:
    path = tmp_path / BUNDLE_FILE
    if kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.write_text(" " * (2 << 20) if kind == "too large" else "[" * 100_000)
    with pytest.raises(ModelError, match=r"bundle\.json (cannot be read|is not a model bundle)"):
        ModelBundle.load(tmp_path)
