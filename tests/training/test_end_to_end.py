"""From a recipe and data to a bundle that answers, on a tiny random model."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import sentixrl
from sentixrl.bundle import ModelBundle
from sentixrl.datasets.registry import load as load_data
from sentixrl.errors import ConfigError
from sentixrl.labels import LabelSet
from sentixrl.training.card import write_card, write_terms
from sentixrl.training.material import Source
from sentixrl.training.out_of_fold import fold_recipe
from sentixrl.training.recipe import as_plain
from sentixrl.training.running import train_bundle
from sentixrl.training.setting import objective_of, prepare

from .small import SIGNS, Noted, Trained, recipe, shipped_f1, sources_of, train, write_meld

pytestmark = pytest.mark.usefixtures("float32")
MAJORITY = 0.25  # weighted-F1 of always the same one of three labels lies below
LEARNED = 0.8


def test_a_full_training_learns_and_its_bundle_keeps_it(trained: Trained) -> None:
    folder, found, noted = trained
    assert found.folder == folder / "bundle"
    assert shipped_f1(found) > LEARNED
    assert found.kept == pytest.approx(1, abs=0.1)
    best = max(check.score for check, _ in noted.checks)
    assert list(found.full.values()) == [pytest.approx(best)]
    assert noted.checks[0][1]
    assert {check.step for check, _ in noted.checks} == {
        entry["step"] for entry in json.loads((folder / "history.json").read_text())
    }
    assert 4 <= len(noted.checks) <= 6
    last = noted.progress[-1]
    assert last.loss < noted.progress[0].loss
    assert 0 < last.step <= last.steps
    assert last.tokens_per_second > 0


def test_the_bundle_classifies_and_says_so(trained: Trained, meld: Path) -> None:
    _, found, _ = trained
    classifier = sentixrl.load(found.folder)
    data = load_data("meld", meld / "meld", "dev", None)
    answers = [item.label for result in classifier.predict_many(data) for item in result.items]
    golds = [turn.gold for turn in data.utterances]
    right = np.mean([a == g for a, g in zip(answers, golds, strict=True)])
    facts = json.loads((found.folder / "training.json").read_text())
    assert right == pytest.approx(facts["shipped"]["meld:dev"]["accuracy"], abs=1e-6)
    assert right > LEARNED
    assert classifier.negotiation.calibration.fitted
    assert not classifier.negotiation.enabled
    assert classifier.engine.name == "tiny"
    assert sum(classifier.predict_proba("rain")[0]) == pytest.approx(1)


def test_the_trained_matrices_alone_are_changed(trained: Trained, base: Path) -> None:
    from sentixrl.engines.local.adapters import merge_lora
    from sentixrl.engines.local.checkpoint import read_weights

    _, found, _ = trained
    before, after = read_weights(base), read_weights(base)
    assert merge_lora(after, found.folder / "adapter")
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    assert len(changed) == 2 * 7
    assert all(name.startswith("model.layers.") for name in changed)


def test_card_and_training_facts_are_written(trained: Trained, base: Path) -> None:
    folder, found, _ = trained
    card = (found.folder / "README.md").read_text("utf-8")
    assert card.startswith("---\nlibrary_name: sentixrl\n")
    assert "---\n\n# tiny\n" in card
    assert str(base) in card
    assert "| meld | train | 60 | 180 | 6.0 | 0 |" in card
    assert "`meld:test`, `meld:dev`." in card
    assert f"{100 * shipped_f1(found):.1f}" in card
    assert "{{" not in card
    facts = json.loads((found.folder / "training.json").read_text())
    assert facts["recipe"] == as_plain(recipe(base))
    assert facts["sources"][0]["utterances"] == 180
    assert facts["adapter_bytes"] == found.adapter_bytes
    assert len(facts["history"]) == len(json.loads((folder / "history.json").read_text()))
    assert facts["best"]["score"] == max(look["score"] for look in facts["history"])
    bundle = ModelBundle.load(found.folder)
    assert (bundle.context.window.history_max, bundle.context.language) == (0, "en")
    assert bundle.trained
    assert not bundle.negotiation.enabled


def test_a_card_names_data_of_ones_own(trained: Trained, tmp_path: Path) -> None:
    _, found, _ = trained
    facts = json.loads((found.folder / "training.json").read_text("utf-8"))
    facts["sources"][0] |= {"dataset": "custom", "variant": "shifts", "task": "label"}
    write_card(facts, tmp_path)
    card = (tmp_path / "README.md").read_text("utf-8")
    assert "| custom, shifts | train | 60 | 180 | 6.0 | 0 | a file of the trainer's own |" in card


def test_a_card_says_what_stayed_in_although_it_shares_text(
    trained: Trained, tmp_path: Path
) -> None:
    _, found, _ = trained
    facts = json.loads((found.folder / "training.json").read_text("utf-8"))
    facts["recipe"]["keep_overlap"] = "All sessions act the same plays."
    facts["sources"][0]["kept_with_overlap"] = 1234
    write_card(facts, tmp_path)
    card = (tmp_path / "README.md").read_text("utf-8")
    assert "| meld | train | 60 | 180 | 6.0 | 0 (1,234 kept) |" in card
    assert "(1,234 of them), for this reason: “All sessions act the same plays.”. The dev" in card
    assert "were dropped" not in card


def test_nothing_is_left_over(trained: Trained) -> None:
    folder, _, _ = trained
    left = sorted(path.name for path in folder.iterdir())
    notes = ["history.json", "material.json", "recipe.json", "trained.json"]
    assert left == [".lock", "best", "bundle", *notes]


def test_a_finished_training_is_not_repeated(trained: Trained, base: Path, meld: Path) -> None:
    folder, first, _ = trained
    noted = Noted()
    again = train(recipe(base), meld, folder, noted)
    assert again is not None
    assert again.shipped == first.shipped
    assert not noted.checks
    assert any("trained already" in text for text in noted.said)


def test_nor_is_its_bundle_made_again_but_one_that_is_gone_is(
    trained: Trained, base: Path, meld: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(trained[0], tmp_path / "out")
    record = folder / "bundle" / "training.json"
    made = record.read_bytes()
    (folder / "checkpoint-3").mkdir()  # by a crash between its end and the removal
    again = train(recipe(base), meld, folder)
    assert again == dataclasses.replace(trained[1], folder=folder / "bundle")
    assert record.read_bytes() == made
    record.unlink()
    anew = train(recipe(base), meld, folder)
    assert anew is not None
    assert anew.shipped == pytest.approx(trained[1].shipped)
    assert record.is_file()
    assert not (folder / "checkpoint-3").exists()


@pytest.mark.parametrize("where", ["_write_adapter", "training_facts"])
def test_what_breaks_off_after_the_last_step_costs_no_training(
    base: Path, meld: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    one = recipe(base, epochs=0.5)
    with monkeypatch.context() as patch:
        patch.setattr(f"sentixrl.training.finishing.{where}", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(one, meld, tmp_path / "out")
    assert not (tmp_path / "out" / "bundle").exists()  # a bundle is there whole or not at all
    history = (tmp_path / "out" / "history.json").read_text()
    noted = Noted()
    found = train(one, meld, tmp_path / "out", noted)
    assert found is not None
    assert not noted.checks
    assert (tmp_path / "out" / "history.json").read_text() == history
    assert sentixrl.load(found.folder).predict("rain").items[0].label
    assert len(list((tmp_path / "out").iterdir())) == 7


def test_another_recipe_is_refused_in_the_same_folder(
    trained: Trained, base: Path, meld: Path
) -> None:
    folder, _, _ = trained
    with pytest.raises(ConfigError, match="training of another recipe"):
        train(recipe(base, epochs=4), meld, folder)


def test_a_folder_with_something_else_is_refused(base: Path, meld: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", "utf-8")
    with pytest.raises(ConfigError, match="holds no training"):
        train(recipe(base), meld, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_lora_learns_too(base: Path, meld: Path, tmp_path: Path) -> None:
    one = recipe(base, method="lora", alpha=32.0, dropout=0.05,
                 optimiser={"learning_rate": 6e-3, "pack_tokens": 128},
                 loss={"gamma": 1.0, "balance": "effective", "adjust": 0.3})  # fmt: skip
    found = train(one, meld, tmp_path / "out")
    assert found is not None
    assert shipped_f1(found) > LEARNED
    assert found.kept == pytest.approx(1, abs=0.03)  # its difference is of that rank already


def test_dev_data_without_a_label_are_refused(base: Path, meld: Path, tmp_path: Path) -> None:
    own = tmp_path / "dev.csv"
    part = {"dataset": "custom", "split": "dev", "file": str(own), "labels": "joy, anger",
            "limit": 1}  # fmt: skip
    refused = []
    for labels in (("joy", ""), ("", "joy")):  # one of the two dialogues is drawn
        rows = [f"{number},A,Well done.,{label}" for number, label in enumerate(labels)]
        own.write_text("\n".join(["dialogue,speaker,text,label", *rows]), "utf-8")
        try:
            prepare(recipe(base, dev=[part]), meld, lambda text: None)
        except ConfigError as error:
            refused.append(error.message)
    assert refused == [f"No utterance of the dev data {own}:dev has a label to choose by."]


def test_a_window_longer_than_the_model_reads_is_refused(
    base: Path, meld: Path, tmp_path: Path
) -> None:
    window = {"history_max": 9, "history_min": 3, "max_tokens": 1000}
    with pytest.raises(
        ConfigError, match=r"'window\.max_tokens' is 1,000, but of the 1,024"
    ) as caught:
        train(recipe(base, window=window), meld, tmp_path / "out")
    room = int((caught.value.hint or "").removeprefix("Set it to ").split(" ")[0])
    prepare(recipe(base, window={**window, "max_tokens": room}), meld, lambda text: None)


def test_turns_longer_than_the_model_reads_are_left_out_and_counted(
    base: Path, tmp_path: Path
) -> None:
    own = tmp_path / "mine.csv"
    long = "rain and letter " * 400
    own.write_text(
        f"dialogue,speaker,text,label\n1,A,Well done.,joy\n1,B,{long},anger\n2,B,No!,anger\n",
        "utf-8",
    )
    part = {"dataset": "custom", "file": str(own), "labels": "joy, anger"}
    dev = {**part, "split": "dev", "file": str(tmp_path / "dev.csv")}
    (tmp_path / "dev.csv").write_text("text,label\nYes,joy\n", "utf-8")
    said: list[str] = []
    one = recipe(base, train=[part], dev=[dev], holdout=[])
    setting = prepare(one, tmp_path, said.append)
    assert [text for text in said if "1 labelled turns are too long for the base" in text]
    asked = [q for plan in setting.packs for q in setting.packer().questions(plan)]
    assert sorted({question.label for question in asked}) == ["anger", "joy"]
    lengths = [len(setting.trainable.prompt_format.encode(q.prompt)) for q in asked]
    assert max(lengths) <= 1024
    own.write_text(f"text,label\n{long},joy\n", "utf-8")
    with pytest.raises(ConfigError, match="No labelled utterance of"):
        prepare(one, tmp_path, said.append)


def test_the_bundle_is_judged_where_and_as_it_was_trained(
    trained: Trained, base: Path, meld: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not on the device it would choose, nor with deductions, which large models have else."""
    asked: list[dict[str, Any]] = []

    def noting(folder: Path, **options: Any) -> Any:  # noqa: ANN401
        asked.append(options)
        return sentixrl.load(folder, **options)

    monkeypatch.setattr("sentixrl.training.finishing.load", noting)
    monkeypatch.setattr("sentixrl.classifier.DEDUCTION_PARAMETERS", 0)
    folder = shutil.copytree(trained[0], tmp_path / "out")
    shutil.rmtree(folder / "bundle")
    assert train_bundle(recipe(base), meld, folder, Noted().reporter, lambda cost: True, "cpu")
    (options,) = asked
    assert options["engine"].device == "cpu"
    assert options["context"].deduction == "off"


def test_a_discriminator_learns_from_out_of_fold_mistakes(
    base: Path, meld: Path, tmp_path: Path
) -> None:
    one = recipe(base, discriminator={"folds": 2, "epochs": 1, "challenge": 0.5, "weight": 0.5},
                 epochs=4, loss={"distil": 0.3})  # fmt: skip
    noted = Noted()
    found = train(one, meld, tmp_path / "out", noted)
    assert found is not None
    assert shipped_f1(found) > 2 * MAJORITY
    turns: list[Any] = []
    for number in range(2):
        (source,) = json.loads((tmp_path / "out" / f"fold-{number}.json").read_text())
        turns += source
        assert json.loads((tmp_path / "out" / f"fold-{number}" / "recipe.json").read_text()) == (
            as_plain(fold_recipe(one, sources_of(one, meld)))
        )
    assert len({(id, turn) for id, turn, _ in turns}) == len(turns) == 180
    assert all(sum(shares) == pytest.approx(1, abs=1e-4) for _, _, shares in turns)
    assert [text for text in noted.said if "fold-" in text]
    trials = json.loads((found.folder / "training.json").read_text("utf-8"))["negotiation"]
    assert len(trials) == 5
    assert trials[0]["weighted_f1"] == max(trial["weighted_f1"] for trial in trials)
    policy = sentixrl.load(found.folder).negotiation
    assert policy.enabled == (trials[0]["threshold"] is not None)
    if policy.enabled:
        assert policy.agree_threshold == trials[0]["threshold"]
    result = sentixrl.load(found.folder).predict(["I walked along the rain"])
    assert result.items[0].fallback or result.items[0].label


def test_a_turn_that_is_too_long_to_answer_is_left_out(
    base: Path, meld: Path, tmp_path: Path
) -> None:
    """It fails alone: looks at dev and the discriminator's material go without it."""
    root = write_meld(tmp_path / "data", train=24, dev=6)
    path = root / "meld" / "dev_sent_emo.csv"
    path.write_text(path.read_text("utf-8").replace("walked", "walked " * 1200, 1), "utf-8")
    one = recipe(base, epochs=1, discriminator={"folds": 2, "epochs": 0.5})
    found = train(one, root, tmp_path / "out")
    assert found is not None

    from sentixrl.training.answering import posteriors

    setting = prepare(one, root, lambda text: None)
    (data,) = setting.dev.values()
    with setting.trainable.evaluating() as engine:
        answers = posteriors(engine, setting.context, data)
    assert len(answers) == len(answers.gold) == len(answers.log_probs) == 17
    assert len(set(answers.turns)) == 17


def test_the_engine_answers_with_the_weights_as_they_are_now(base: Path, meld: Path) -> None:
    """Nothing of what it computed with earlier weights is left, preambles neither."""
    from sentixrl.training.answering import posteriors

    found = []
    for steps in ((0.0, 0.02), (0.02,)):
        setting = prepare(recipe(base, epochs=1), meld, lambda text: None)
        (data,) = setting.dev.values()
        for step in steps:
            for weight in setting.trainable.trained.values():
                weight.data += step
            with setting.trainable.evaluating() as engine:
                answers = posteriors(engine, setting.context, data)
        found.append(answers.log_probs)
    np.testing.assert_array_equal(found[0], found[1])


def test_labels_are_counted_for_each_label_set_by_itself(base: Path, meld: Path) -> None:
    emotions = load_data("meld", meld / "meld", "train")
    moods = load_data("meld", meld / "meld", "train", task="sentiment")
    both = [{"dataset": "meld"}, {"dataset": "meld", "task": "sentiment"}]
    one = recipe(base, train=both, loss={"balance": "inverse", "adjust": 0.5})
    sources = [Source(emotions, 1.0), Source(moods, 1.0)]
    together = objective_of(one, sources)
    for source in sources:
        alone, name = objective_of(one, [source]), source.data.label_set.name
        assert together.weights[name] == alone.weights[name]
        assert together.log_priors[name] == alone.log_priors[name]
    assert len(together.weights) == len(together.log_priors) == 2
    assert objective_of(one.model_copy(update={"loss": recipe(base).loss}), sources).weights == {}


def test_label_sets_that_are_counted_need_names_of_their_own(base: Path, meld: Path) -> None:
    data = load_data("meld", meld / "meld", "train")
    turned = dataclasses.replace(
        data, label_set=LabelSet(data.label_set.name, data.label_set.names[::-1])
    )
    one = recipe(base, loss={"balance": "inverse"})
    with pytest.raises(ConfigError, match="different ones with one name, 'meld-7'"):
        objective_of(one, [Source(data, 1.0), Source(turned, 1.0)])


def test_qlora_needs_another_machine(base: Path, meld: Path) -> None:
    with pytest.raises(ConfigError, match="needs a CUDA device"):
        prepare(recipe(base, method="qlora"), meld, lambda text: None, "cpu")


def test_labels_are_learned_from_words_the_test_knows() -> None:
    assert set(SIGNS) <= set(sentixrl.labels.scheme("meld-7").names)


def test_a_bundle_over_a_base_with_terms_of_its_own_carries_them(
    trained: Trained, tmp_path: Path
) -> None:
    _, found, _ = trained
    facts = json.loads((found.folder / "training.json").read_text("utf-8"))
    write_terms(facts, tmp_path)
    assert not list(tmp_path.iterdir())  # a folder of one's own has none that we know
    facts["recipe"]["base"] = "gemma-3-270m"
    write_terms(facts, tmp_path)
    write_card(facts, tmp_path)
    notice = (tmp_path / "NOTICE.txt").read_text("utf-8")
    assert notice.startswith("Gemma is provided under and subject to the Gemma Terms of Use")
    assert "Changes: this folder holds a difference to the weights of Gemma 3 270M" in notice
    assert (tmp_path / "TERMS.txt").read_text("utf-8").startswith("Gemma Terms of Use")
    assert "Gemma Terms of Use: `TERMS.txt`" in (tmp_path / "README.md").read_text("utf-8")
