"""Data as packs: all of it, as often as asked, nothing that shares text with dev or test."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentixrl.context.building import ContextOptions
from sentixrl.context.window import HistoryWindow
from sentixrl.datasets.dataset import Dataset
from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.engines.local.loading import open_engine
from sentixrl.engines.local.prompt_format import PromptFormat
from sentixrl.engines.options import EngineOptions
from sentixrl.errors import ConfigError, InputError
from sentixrl.labels import LabelSet, resolve_labels, scheme
from sentixrl.training.drawing import LabelDraw
from sentixrl.training.examples import Packer
from sentixrl.training.material import Source, label_counts, load_part, without_long_turns
from sentixrl.training.plans import FEWEST, HEAD_TOKENS, PackPlan, dialogue_sizes, plan_packs
from sentixrl.training.questions import OutOfFold
from sentixrl.training.sections import DataPart
from sentixrl.training.setting import prepare

from .small import FILLERS, LABELS, dialogue, recipe, sources_of, write_meld

PLAIN = LabelDraw()
WINDOW = HistoryWindow()


def words(text: str) -> int:
    return len(text.split())


def make(
    sizes: Sequence[int],
    labels: LabelSet = LABELS,
    epochs: float = 1.0,
    seed: int = 0,
    group: int = 1,
) -> Source:
    """A source of dialogues with so many turns each; ``group`` of them are drawn together."""
    rng = random.Random(seed)
    dialogues = tuple(
        Dialogue(
            f"d{number}",
            tuple(
                Utterance("we " * rng.randint(1, 9), "Ann", rng.choice(labels.names))
                for _ in range(size)
            ),
            language="en",
            group=f"g{number // group}",
        )
        for number, size in enumerate(sizes)
    )
    return Source(Dataset("own", "train", "emotion", labels, dialogues), epochs, 0)


sources = st.lists(
    st.builds(
        make,
        st.lists(st.integers(1, 6), min_size=1, max_size=30),
        st.sampled_from([LABELS, scheme("goemotions-28")]),
        st.floats(0.05, 3.5),
        st.integers(0, 99),
    ),
    min_size=1,
    max_size=3,
)
subsets = st.sampled_from([0.0, 0.5, 1.0])


@given(sources, st.integers(64, 400), subsets, st.integers(0, 9))
def test_every_dialogue_comes_as_often_as_its_source_says(
    found: list[Source], room: int, subset: float, seed: int
) -> None:
    draws = LabelDraw(subset=subset)
    plans = plan_packs(found, draws, room, WINDOW, words, seed)
    assert plans == plan_packs(found, draws, room, WINDOW, words, seed)
    for number, source in enumerate(found):
        own = [plan for plan in plans if plan.source == number]
        assert all(plan.dialogues for plan in own)
        told = iter([i for plan in own for i in plan.dialogues])
        for epoch in range(math.ceil(source.epochs)):  # gone through one after the other
            share = min(1.0, source.epochs - epoch)
            size = max(1, round(share * len(source.data)))
            assert len(set(islice(told, size))) == size
        assert next(told, None) is None
        for plan in own:
            whole = dialogue_sizes(source.data, WINDOW, words)
            sizes = [whole[i] for i in plan.dialogues]
            assert len(sizes) == 1 or HEAD_TOKENS + sum(sizes) <= room
            if plan.allowed:
                assert source.lines
                assert len(plan.dialogues) >= 1
                golds = {source.data.dialogues[i].utterances[0].gold for i in plan.dialogues}
                assert golds <= set(plan.allowed)
            else:
                assert subset < 1 or not source.lines or len(source.data) < FEWEST * 28


def test_another_seed_is_another_order() -> None:
    source = make([1] * 40)
    one, other = (plan_packs([source], PLAIN, 200, WINDOW, words, seed) for seed in (0, 1))
    assert one != other


def test_turns_that_a_window_shows_anew_are_counted(base: Path) -> None:
    rng = random.Random(0)
    turns = [(" ".join(rng.choices(FILLERS, k=rng.randint(3, 9))), "joy") for _ in range(40)]
    talk = dialogue(*turns)
    source = Source(Dataset("own", "train", "emotion", LABELS, (talk,)), 1.0, 0)
    engine = open_engine(base, EngineOptions(dtype="float32", prompt_format="plain"))
    told, found = [], []
    for window in (HistoryWindow(6, 4), HistoryWindow(39, 8, 4096)):
        told += dialogue_sizes(source.data, window, engine.count_tokens)
        context = ContextOptions(window=window, language="en")
        packer = Packer([source], context, PLAIN, engine.prompt_format, engine.count_tokens)
        found.append(len(packer(PackPlan(0, (0,), (), 0)).pack))
    assert found[0] > 1.2 * found[1]
    assert told[0] - told[1] == pytest.approx(found[0] - found[1], rel=0.15)
    assert told[1] + HEAD_TOKENS == pytest.approx(found[1], rel=0.25)


def test_subsets_of_free_lines_hold_their_own_labels_alone(base: Path) -> None:
    source = make([1] * 300, scheme("goemotions-28"), epochs=2)
    plans = plan_packs([source], LabelDraw(subset=1.0), 400, WINDOW, words, 3)
    drawn = [plan for plan in plans if plan.allowed]
    assert len(drawn) > 5
    assert all(3 <= len(plan.allowed) < 28 for plan in drawn)
    assert len({plan.allowed for plan in drawn}) > 5
    packer = Packer([source], ContextOptions(language="en"), LabelDraw(True, 1.0, 0.5),
                    _prompt_format(base), words)  # fmt: skip
    for plan in drawn[:5]:
        asked = packer.questions(plan)
        assert len(asked) == len(plan.dialogues)
        for question in asked:
            assert set(question.names) == set(plan.allowed)
            assert question.label in plan.allowed
        assert len({question.choices for question in asked}) == 1  # drawn once a pack


def test_small_and_large_sources_end_together() -> None:
    large, small = make([3] * 200), make([3] * 20, seed=1)
    plans = plan_packs([large, small], PLAIN, 200, WINDOW, words, 0)
    places = [place for place, plan in enumerate(plans) if plan.source == 1]
    assert places[0] < len(plans) * 0.25
    assert places[-1] > len(plans) * 0.75


def test_a_dialogue_without_a_label_is_in_no_pack() -> None:
    """It would make a pack without a question."""
    labelled = make([2] * 3)
    silent = dialogue(("No.", None), ("Why?", None), id="silent")
    data = replace(labelled.data, dialogues=(silent, *labelled.data.dialogues))
    plans = plan_packs([replace(labelled, data=data)], PLAIN, 64, WINDOW, words, 0)
    assert sorted(index for plan in plans for index in plan.dialogues) == [1, 2, 3]


def _prompt_format(base: Path) -> PromptFormat:
    return open_engine(base, EngineOptions(dtype="float32", prompt_format="plain")).prompt_format


@pytest.mark.parametrize("shuffle", [True, False])
def test_the_same_plan_is_the_same_pack(base: Path, shuffle: bool) -> None:
    prompt_format = _prompt_format(base)
    source = make([4] * 6)
    out_of_fold = {(d.id, n): OutOfFold("joy", "calm") for d in source.data for n in range(4)}
    draws = LabelDraw(shuffle=shuffle, subset=0.5, wording=0.5)

    def packer() -> Packer:
        return Packer([source], ContextOptions(language="en"), draws, prompt_format, words,
                      [out_of_fold], challenge=0.5)  # fmt: skip

    plan = PackPlan(0, (0, 3, 5), (), seed=11)
    first, second = packer()(plan), packer()(plan)
    assert first.questions == second.questions
    assert first.pack.tokens.tolist() == second.pack.tokens.tolist()
    others = [packer().questions(replace(plan, seed=seed)) for seed in range(12, 20)]
    assert any(tuple(other) != first.questions for other in others)
    needed = {"joy", "calm", *(q.label for q in first.questions)}
    labelled = [q for q in first.questions if q.role == "generator"]
    assert all(needed <= set(q.names) for q in labelled)
    assert len(labelled) == 12
    if shuffle:
        assert any(other[0].names != first.questions[0].names for other in others)


def test_turns_that_are_context_alone_are_not_asked_about(base: Path) -> None:
    prompt_format = _prompt_format(base)
    of = dialogue(("We walked home.", None), ("Years!", "joy"))
    source = Source(Dataset("own", "train", "emotion", LABELS, (of,)), 1.0, 0)
    packer = Packer([source], ContextOptions(language="en"), PLAIN, prompt_format, words)
    (question,) = packer(PackPlan(0, (0,), (), 0)).questions
    assert question.label == "joy"
    assert "We walked home." in question.prompt.text


def test_labels_are_counted_by_label_set() -> None:
    three = scheme("sentiment-3")
    found = label_counts([make([2] * 4), make([3] * 5, seed=1), make([1] * 6, three)])
    assert set(found) == {LABELS, three}
    assert sum(found[LABELS].values()) == 8 + 15
    assert sum(found[three].values()) == 6
    assert list(found[LABELS]) == list(LABELS.names)


def test_labels_count_as_often_as_they_are_gone_through() -> None:
    one, other = make([2] * 40), make([2] * 40, seed=1)
    found = label_counts([replace(one, epochs=0.5), replace(other, epochs=3.0)])
    for name, count in found[LABELS].items():
        assert count == one.data.label_counts[name] + 6 * other.data.label_counts[name]
    alone = label_counts([replace(other, epochs=3.0)])
    assert alone[LABELS] == other.data.label_counts  # 'effective' counts distinct examples


def test_turns_that_a_model_cannot_read_are_not_asked_about() -> None:
    of = dialogue(("we walked home", "joy"), ("we " * 9, "anger"), ("we " * 9, None))
    data = Dataset("own", "train", "emotion", LABELS, (of, dialogue(("Years!", "joy"), id="2")))
    found, gone = without_long_turns(data, 8, words)
    assert gone == 1
    assert [[turn.gold for turn in one] for one in found] == [["joy", None, None], ["joy"]]
    assert [turn.text for turn in found.utterances] == [turn.text for turn in data.utterances]
    assert without_long_turns(data, 9, words) == (data, 0)


def test_two_lists_of_labels_are_two_label_sets() -> None:
    """Though both are called custom, as every list of names is."""
    lists = [resolve_labels("calm, anger"), resolve_labels("joy, sadness")]
    found = label_counts([make([2] * 4, labels) for labels in lists])
    assert list(map(sum, map(dict.values, found.values()))) == [8, 8]
    assert [list(count) for count in found.values()] == [["calm", "anger"], ["joy", "sadness"]]


def copy_into_test(root: Path, rows: int) -> None:
    """The first training rows also become test rows."""
    train = (root / "meld" / "train_sent_emo.csv").read_text("utf-8").splitlines()
    target = root / "meld" / "test_sent_emo.csv"
    target.write_text("\n".join([*train[: rows + 1], ""]), "utf-8")


def test_data_that_share_text_are_refused_with_the_command(tmp_path: Path, base: Path) -> None:
    copy_into_test(write_meld(tmp_path), 6)
    with pytest.raises(ConfigError) as caught:
        sources_of(recipe(base), tmp_path)
    assert "2 of the 60 dialogues of meld:train share text" in caught.value.message
    assert "with meld:test" in caught.value.message
    assert caught.value.hint
    assert "drop_overlap: true" in caught.value.hint
    assert "sentixrl datasets overlap" in caught.value.hint


def test_or_dropped_when_asked(tmp_path: Path, base: Path) -> None:
    copy_into_test(write_meld(tmp_path), 6)
    said: list[str] = []
    (source,) = sources_of(recipe(base, drop_overlap=True), tmp_path, said.append)
    assert source.dropped == 2
    assert len(source.data) == 58
    assert not {d.id for d in source.data} & {"0", "1"}
    assert any("2 dialogues dropped" in text for text in said)
    assert any("no turn is labelled neutral, surprise, fear, disgust" in text for text in said)


def test_or_kept_for_a_reason(tmp_path: Path, base: Path) -> None:
    """As IEMOCAP's sessions, which all act the same plays."""
    copy_into_test(write_meld(tmp_path), 6)
    said: list[str] = []
    why = "All sessions act the same plays."
    (source,) = sources_of(recipe(base, keep_overlap=why), tmp_path, said.append)
    assert (len(source.data), source.kept, source.dropped) == (60, 2, 0)
    assert any("2 dialogues kept, although they share text" in text for text in said)


def test_dev_is_kept_apart_without_being_named(tmp_path: Path, base: Path) -> None:
    write_meld(tmp_path)
    train = (tmp_path / "meld" / "train_sent_emo.csv").read_text("utf-8")
    (tmp_path / "meld" / "dev_sent_emo.csv").write_text(train, "utf-8")
    with pytest.raises(
        ConfigError, match=r"share text \(two runs of eight words, or all of it\) with meld:dev"
    ):
        sources_of(recipe(base, holdout=[]), tmp_path)


def test_data_that_are_apart_are_taken_whole(meld: Path, base: Path) -> None:
    (source,) = sources_of(recipe(base, epochs=1.5), meld)
    assert (len(source.data), source.epochs, source.dropped) == (60, 1.5, 0)


def test_a_part_may_be_limited_and_go_through_more_often(meld: Path, base: Path) -> None:
    train = [{"dataset": "meld", "limit": 7, "epochs": 2.5}]
    first = sources_of(recipe(base, train=train), meld)
    again = sources_of(recipe(base, train=train), meld)
    other = sources_of(recipe(base, train=train, seed=1), meld)
    assert (len(first[0].data), first[0].epochs) == (7, 2.5)
    assert first[0].data.data_hash == again[0].data.data_hash != other[0].data.data_hash


def test_labels_are_bounded_among_the_dialogues_that_are_left(meld: Path, base: Path) -> None:
    train = [{"dataset": "meld", "limit": 30, "per_label": 4}]
    (source,) = sources_of(recipe(base, train=train), meld)
    (whole,) = sources_of(recipe(base, train=[{"dataset": "meld", "limit": 30}]), meld)
    expected = {label: min(4, count) for label, count in whole.label_counts.items()}
    assert source.label_counts == expected
    assert [d.id for d in source.data] == [d.id for d in whole.data]


def test_a_file_of_ones_own_is_a_part_too(tmp_path: Path) -> None:
    path = tmp_path / "shifts.csv"
    path.write_text("text,label\nwe are short again,tired\nhome at last,calm\n", "utf-8")
    part = DataPart(dataset="custom", file=str(path), labels="tired, calm")
    data = load_part(part, tmp_path / "nothing", seed=0)
    assert [turn.gold for turn in data.utterances] == ["tired", "calm"]
    assert (data.name, data.variant, data.split) == ("custom", "shifts", "train")
    assert part.name == f"{path}:train"
    path.write_bytes("Satz;Stimmung\nwir sind müde;tired\nendlich daheim;calm\n".encode("cp1252"))
    told = {"columns": "text=Satz,label=Stimmung", "encoding": "windows-1252"}
    data = load_part(part.model_copy(update=told), tmp_path, seed=0)
    assert [turn.text for turn in data.utterances] == ["wir sind müde", "endlich daheim"]
    said: list[str] = []
    path.write_text("text,label,conv_id\nwe are short again,tired,1\nhome,calm,1\n", "utf-8")
    load_part(part, tmp_path, 0, said.append)
    assert said[0].endswith("'conv_id' looks like one: --columns dialogue=conv_id")
    with pytest.raises(InputError, match=r"none\.csv"):
        load_part(part.model_copy(update={"file": str(tmp_path / "none.csv")}), tmp_path, seed=0)


def test_every_seed_is_judged_on_the_same_dialogues(meld: Path, base: Path) -> None:
    settings = [
        prepare(
            recipe(
                base,
                seed=seed,
                train=[{"dataset": "meld", "limit": 9}],
                dev=[{"dataset": "meld", "split": "dev", "limit": 3}],
            ),
            meld,
            lambda text: None,
        )
        for seed in (0, 1)
    ]
    ones, others = ([d.id for d in setting.dev["meld:dev"]] for setting in settings)
    assert ones == others
    assert len(ones) == 3
    (first,), (second,) = (setting.sources for setting in settings)
    assert [d.id for d in first.data] != [d.id for d in second.data]


def test_a_missing_folder_is_named_with_where_to_get_the_data(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_part(DataPart(dataset="emorynlp", split="dev"), tmp_path, 0)
    assert "'emorynlp:dev'" in caught.value.message
    assert str(tmp_path / "emorynlp") in caught.value.message
    assert caught.value.hint
    assert "sentixrl datasets show emorynlp" in caught.value.hint
