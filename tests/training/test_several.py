"""Several labels a text: questions, packs, loss, and a training from recipe to bundle."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import torch

from sentixrl.bundle import ModelBundle
from sentixrl.context.building import ContextOptions
from sentixrl.datasets.dataset import Dataset
from sentixrl.datasets.registry import load
from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.engines.local.loading import open_engine
from sentixrl.engines.options import EngineOptions
from sentixrl.errors import ConfigError
from sentixrl.labels import LabelSet
from sentixrl.training.answering import SeveralAnswers, answer
from sentixrl.training.drawing import LabelDraw
from sentixrl.training.examples import Packer
from sentixrl.training.losses import Focal
from sentixrl.training.material import Source
from sentixrl.training.model import load_trainable
from sentixrl.training.objective import Objective
from sentixrl.training.plans import PackPlan, dialogue_sizes, plan_packs
from sentixrl.training.recipe import Recipe
from sentixrl.training.running import train_bundle
from sentixrl.training.setting import objective_of, prepare

from .small import FILLERS, Noted, recipe, run_packed

pytestmark = pytest.mark.usefixtures("float32")

SIGNS = {"anger": "letter", "joy": "rain", "sadness": "river"}
HEADER = "id,text,anger,disgust,fear,joy,sadness,surprise"
LABELS = LabelSet("four", ["joy", "anger", "fear", "calm"])


def write_brighter(root: Path, **sizes: int) -> Path:
    """BRIGHTER's Spanish files with none to three of our labels, each given away by a word."""
    for split, size in {"train": 160, "dev": 60, "test": 4, **sizes}.items():
        rng = random.Random(split)
        rows = [HEADER]
        for number in range(size):
            golds = rng.sample(list(SIGNS), rng.choice([0, 1, 1, 2, 3]))
            words = [*rng.choices(FILLERS, k=rng.randint(2, 4)), *(SIGNS[name] for name in golds)]
            rng.shuffle(words)
            marks = [str(int(name in golds)) for name in HEADER.split(",")[2:]]
            rows.append(",".join([f"{split}{number}", " ".join(words), *marks]))
        folder = root / "brighter" / split
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "esp.csv").write_text("\n".join(rows) + "\n", "utf-8")
    return root


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_brighter(tmp_path_factory.mktemp("several"))


def part(split: str) -> dict[str, object]:
    return {"dataset": "brighter", "split": split, "kind": "several",
            "switches": {"language": "esp"}}  # fmt: skip


def several_recipe(base: Path, **changes: object) -> Recipe:
    content = {"labels": None, "train": [part("train")], "dev": [part("dev")], "holdout": []}
    return recipe(base, **{**content, **changes})


def source(*golds: tuple[str, ...] | None) -> Source:
    dialogues = tuple(
        Dialogue(str(n), (Utterance(f"{FILLERS[n % 10]} walked home.", "Ann", golds=found),), "en")
        for n, found in enumerate(golds)
    )
    return Source(Dataset("own", "train", "emotion", LABELS, dialogues), 1.0)


def packer(base: Path, of: Source, draws: LabelDraw | None = None) -> Packer:
    engine = open_engine(base, EngineOptions(dtype="float32", prompt_format="plain"))
    context = ContextOptions(language="en")
    return Packer([of], context, draws or LabelDraw(), engine.prompt_format, engine.count_tokens)


def test_each_label_is_a_question_with_its_own_answer(base: Path) -> None:
    of = source(("joy", "fear"), None, ())
    asked = packer(base, of).questions(PackPlan(0, (0, 1, 2), (), 0))
    assert [question.label for question in asked] == [*LABELS.names, *LABELS.names]
    assert [question.target for question in asked] == [0, 1, 0, 1, 1, 1, 1, 1]
    assert {question.choices for question in asked} == {("yes", "no")}
    assert {question.share for question in asked} == {0.25}


def test_a_label_costs_a_few_tokens(base: Path) -> None:
    """Of one trunk: what ten texts share is computed once, and a label adds its own words."""
    of = source(*[("joy",)] * 10)
    make = packer(base, of)
    whole = len(make(PackPlan(0, tuple(range(10)), (), 0)).pack)
    words = sum(make.count_tokens(f" {name}?") for name in LABELS.names)
    texts = sum(make.count_tokens(turn.text) for turn in of.data.utterances)
    assert whole < 60 + texts + 10 * (words + 8)
    told = sum(dialogue_sizes(of.data, make.context.window, make.count_tokens))
    assert told == pytest.approx(whole, rel=0.3)


def test_labels_are_drawn_anew_and_none_has_to_be_there(base: Path) -> None:
    make = packer(base, source(("joy", "anger", "fear", "calm")), LabelDraw(True, 1.0, 0.0))
    drawn = {
        tuple(question.label for question in make.questions(PackPlan(0, (0,), (), seed)))
        for seed in range(40)
    }
    assert len(drawn) > 10
    assert min(map(len, drawn)) >= 2
    assert any(set(names) != set(LABELS.names) for names in drawn)
    for names in drawn:
        (prompt, *_) = (q.prompt.text for q in make.questions(PackPlan(0, (0,), (), 0)))
        assert "Emotions: " in prompt
        assert len(set(names)) == len(names)


@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_the_loss_is_the_mean_of_binary_losses(base: Path, gamma: float) -> None:
    trainable = load_trainable(recipe(base))
    pack = packer(base, source(("joy",), ("anger", "calm")))(PackPlan(0, (0, 1), (), 0))
    outputs = run_packed(trainable.model, pack)
    pairs = pack.log_probs(outputs)
    right = pairs.gather(-1, pack.target[:, None])[:, 0]
    binary = torch.nn.functional.binary_cross_entropy_with_logits(
        pairs[:, 0] - pairs[:, 1], (pack.target == 0).float(), reduction="none"
    )
    expected = ((1 - right.exp()) ** gamma * binary).mean()
    found = Objective(Focal(gamma), second=0.3)(pack, outputs) / pack.share
    torch.testing.assert_close(found, expected)
    assert pack.share == pytest.approx(2.0)


def test_packs_of_lines_are_filled_whatever_labels_they_have() -> None:
    of = source(*[("joy",), ("anger", "fear"), ()] * 20)
    draws = LabelDraw(subset=1.0)
    plans = plan_packs([of], draws, 200, ContextOptions().window, len, seed=0)
    assert {plan.allowed for plan in plans} == {()}
    assert sorted(index for plan in plans for index in plan.dialogues) == list(range(60))


def test_from_a_recipe_to_a_bundle_with_thresholds(base: Path, data: Path, tmp_path: Path) -> None:
    noted = Noted()
    one = several_recipe(base, epochs=12, draw={"shuffle": True})
    found = train_bundle(one, data, tmp_path / "out", noted.reporter, lambda cost: True)
    assert found is not None
    (name,) = found.shipped
    assert name == "brighter:dev:several:language=esp"
    # Three of the six labels never occur, so that a half is the most there is.
    assert found.shipped[name] > 0.4
    assert any("160 dialogues, 160 labelled turns" in text for text in noted.said)
    bundle = ModelBundle.load(found.folder)
    ((key, calibration),) = bundle.calibrations.items()
    assert key == "several: anger; disgust; fear; joy; sadness; surprise"
    assert len(calibration.thresholds) == 6
    assert calibration.fitted
    assert set(bundle.templates) == {"en", "en/several"}
    facts = json.loads((found.folder / "training.json").read_text("utf-8"))
    assert facts["sources"][0]["kind"] == "several"
    assert facts["sources"][0]["utterances"] == 160
    card = (found.folder / "README.md").read_text("utf-8")
    assert "| brighter, esp, several labels | train | 160 |" in card
    assert f"| {name} | " in card
    assert "the threshold of each label was" in card


def test_what_is_asked_of_dev_is_what_was_trained(base: Path, data: Path) -> None:
    one = several_recipe(base)
    setting = prepare(one, data, lambda text: None)
    (dev,) = setting.dev.values()
    with setting.trainable.evaluating() as engine:
        found = answer(engine, setting.context, dev)
    assert isinstance(found, SeveralAnswers)
    assert found.log_odds.shape == found.gold.shape == (60, 6)
    golds = [turn.golds for turn in dev.utterances]
    assert found.gold.sum() == sum(len(names or ()) for names in golds)
    # The very numbers that a pack's read-out gives.
    make = Packer([Source(dev, 1.0)], setting.context, LabelDraw(),
                  setting.trainable.prompt_format, engine.count_tokens)  # fmt: skip
    pack = make(PackPlan(0, (0, 1, 2), (), 0))
    with torch.no_grad():
        pairs = pack.log_probs(run_packed(setting.trainable.model, pack))
    odds = (pairs[:, 0] - pairs[:, 1]).view(3, 6).double().numpy()
    assert found.log_odds[:3] == pytest.approx(odds, abs=2e-3)


def test_weights_by_label_are_for_single_labels(base: Path, data: Path) -> None:
    one = several_recipe(base, loss={"balance": "inverse"})
    several = load("brighter", data / "brighter", "train", language="esp", single_label=False)
    with pytest.raises(ConfigError, match="for single labels"):
        objective_of(one, [Source(several, 1.0)])
