"""A recipe with everything loaded that it names: data, model, packs, loss."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from sentixrl.context.building import ContextBuilder, ContextOptions
from sentixrl.context.templates import PAIRWISE, SEVERAL, digest_of, template_languages
from sentixrl.context.window import HistoryWindow
from sentixrl.datasets.dataset import Dataset
from sentixrl.datasets.demonstrations import check_likeness
from sentixrl.engines.local.prompt_format import branches
from sentixrl.errors import ConfigError
from sentixrl.training.drawing import LabelDraw
from sentixrl.training.examples import Packer
from sentixrl.training.folds import folds
from sentixrl.training.lineage import check_start
from sentixrl.training.losses import Focal, class_weights, log_prior
from sentixrl.training.material import (
    Holdout,
    Source,
    label_counts,
    labelled_turns,
    load_holdout,
    load_sources,
    without_long_turns,
)
from sentixrl.training.model import TrainableModel, load_trainable
from sentixrl.training.objective import Objective
from sentixrl.training.pairs import Evidence, Pairs, closest
from sentixrl.training.plans import (
    DEMONSTRATION_TOKENS,
    LINE_TOKENS,
    PackPlan,
    plan_packs,
    verifier_tokens,
)
from sentixrl.training.processes import own_device, world_size
from sentixrl.training.questions import (
    OutOfFold,
    OutOfFoldTurns,
    questions,
    several_questions,
    verifier_question,
)
from sentixrl.training.recipe import Recipe
from sentixrl.training.supplements import RecipeSupplements, SupplementsOf, nothing_besides


@dataclass(frozen=True)
class Setting:
    """A recipe with everything loaded that it names.

    Attributes:
        recipe: The recipe.
        sources: What is trained on.
        holdout: What it is evaluated on: the parts under ``holdout`` and ``dev``.
        trainable: The model.
        packs: The packs of the whole training.
        context: What prompts show.
        supplements: What they show besides, by split.
    """

    recipe: Recipe
    sources: Sequence[Source]
    holdout: Holdout
    trainable: TrainableModel
    packs: Sequence[PackPlan]
    context: ContextOptions
    supplements: SupplementsOf = nothing_besides

    @property
    def dev(self) -> dict[str, Dataset]:
        """Name → what choices are made on."""
        return dev_of(self.recipe, self.holdout)

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole training."""
        return -(-len(self.packs) // packs_a_step(self.recipe))

    def packer(self, out_of_fold: Sequence[OutOfFoldTurns] = ()) -> Packer:
        """What makes this training's packs, with a second role where proposals were out_of_fold."""
        second = self.recipe.discriminator
        engine = self.trainable.engine
        packer = Packer(
            self.sources,
            self.context,
            draw_of(self.recipe),
            self.trainable.prompt_format,
            engine.count_tokens,
            out_of_fold,
            second.challenge if second else 0.0,
            tuple(self.supplements(source.data) for source in self.sources),
        )
        verifier = self.recipe.verifier
        if verifier is None or not out_of_fold:
            return packer
        training = [source.data for source in self.sources]
        evidence = Evidence(verifier, training) if verifier.evidence else None
        pairs = [Pairs(closest(turns, verifier.share), evidence) for turns in out_of_fold]
        return replace(packer, out_of_fold=(), pairs=pairs)


def context_of(recipe: Recipe) -> ContextOptions:
    """What a recipe's prompts show."""
    shown = recipe.prompt
    return ContextOptions(
        instruction=shown.instruction,
        history=shown.history != "off",
        labels=shown.labels,
        glosses=shown.glosses,
        deduction=shown.deduction,
        window=HistoryWindow(**recipe.window.model_dump()),
        language=recipe.language,
        anonymous=shown.anonymous,
    )


def supplements_of(recipe: Recipe, sources: Sequence[Source]) -> SupplementsOf:
    """What a recipe's prompts show besides the dialogues."""
    training = [source.data for source in sources]
    return RecipeSupplements(recipe.prompt, recipe.demonstrations, training, recipe.seed)


def packs_a_step(recipe: Recipe) -> int:
    """How many packs an optimiser step takes, those of all processes together."""
    return recipe.optimiser.packs_per_step * world_size()


def template_hashes(recipe: Recipe) -> dict[str, str]:
    """Language → hash of the prompt templates that a recipe uses.

    The questions about several labels stand under ``<language>/several``, a verifier's under
    ``<language>/pairwise``.
    """
    languages = template_languages() if recipe.language == "auto" else (recipe.language,)
    parts = list(languages)
    if any(part.kind == "several" for part in recipe.train):
        parts += [f"{language}/{SEVERAL}" for language in languages]
    if recipe.verifier is not None:
        parts += [f"{language}/{PAIRWISE}" for language in languages]
    return {part: digest_of(part) for part in parts}


def draw_of(recipe: Recipe) -> LabelDraw:
    """How a recipe's label sets are drawn."""
    return LabelDraw(**recipe.draw.model_dump())


def dev_of(recipe: Recipe, holdout: Holdout) -> dict[str, Dataset]:
    """Name → what choices are made on, of what :func:`load_holdout` gives."""
    return {part.name: data for part, data in holdout[len(recipe.holdout) :]}


def prepare(
    recipe: Recipe, root: Path, say: Callable[[str], None], device: str | None = None
) -> Setting:
    """Load what a recipe names and plan its packs.

    Args:
        recipe: The recipe.
        root: The folder with one folder per data set.
        say: Receives a sentence about what was dropped or is missing.
        device: Where the model runs.

    Raises:
        SentixError: Something is missing or does not fit.
    """
    own_device(device)  # one that cannot be used is said before anything is loaded
    holdout = load_holdout(recipe, root)
    sources = load_sources(recipe, root, holdout, say)
    dev = dev_of(recipe, holdout)
    # What does not fit is said before a model is loaded.
    objective_of(recipe, sources)
    if recipe.second:
        folds([source.data for source in sources], recipe.second.folds, recipe.seed)
    if recipe.verifier and recipe.verifier.evidence:
        check_likeness(recipe.verifier.by)
    check_start(recipe, holdout, root)
    bare = next((name for name, data in dev.items() if not labelled_turns(data)), None)
    if bare is not None:
        raise ConfigError(f"No utterance of the dev data {bare} has a label to choose by.")
    trainable = load_trainable(recipe, device)
    sources = [
        replace(source, data=_readable(recipe, part.name, source.data, trainable, say))
        for part, source in zip(recipe.train, sources, strict=True)
    ]
    for name, data in dev.items():
        _readable(recipe, name, data, trainable, say)
    return set_up(recipe, sources, holdout, trainable)


def _readable(
    recipe: Recipe, name: str, data: Dataset, model: TrainableModel, say: Callable[[str], None]
) -> Dataset:
    """Data whose labelled turns all fit what the model reads at once.

    Raises:
        ConfigError: The window is too long for the model, or none of the turns fits.
    """
    engine = model.engine
    limit = engine.capabilities.context_tokens
    if limit is None or not labelled_turns(data):
        return data
    context = context_of(recipe)
    room = limit - _frame_tokens(model, context, data, verifying=recipe.verifier is not None)
    if context.window.history_max and context.window.max_tokens > room:
        raise ConfigError(
            f"'window.max_tokens' is {context.window.max_tokens:,}, but of the {limit:,} tokens "
            f"that the base reads at once, {max(room, 0):,} are left for turns.",
            hint=f"Set it to {max(room, 0):,} at most, or name another base.",
        )
    fitting, gone = without_long_turns(data, room - LINE_TOKENS, engine.count_tokens)
    if not labelled_turns(fitting):
        raise ConfigError(
            f"No labelled utterance of {name} fits into the {limit:,} tokens that the base reads "
            "at once.",
            hint="Cut them into shorter ones, or name another base.",
        )
    if gone:
        say(f"{name}: {gone:,} labelled turns are too long for the base and are not asked about.")
    return fitting


def _frame_tokens(
    model: TrainableModel, context: ContextOptions, data: Dataset, *, verifying: bool
) -> int:
    """Most tokens of any role's prompt and answer about a turn that says nothing."""
    labels = data.label_set
    first, second, *_ = labels.names
    like = data.dialogues[0]
    speaker = max((turn.speaker for turn in data.utterances if turn.speaker), key=len, default=None)
    turn = replace(like.utterances[0], text=".", speaker=speaker)
    builder = ContextBuilder(labels, context, model.engine.count_tokens, several=data.several)
    (about,) = builder.build(replace(like, utterances=(turn,)))
    template = builder.template_for(like)
    if data.several:
        asked = several_questions(about, template, labels, ())
    else:
        judged = OutOfFold(first, second)
        asked = questions(about, template, labels, first, judged, challenge=True)
        if verifying:
            pair = verifier_question(builder, about, template, (first, second), first)
            asked = chain(asked, [pair])
    return max(
        len(model.prompt_format.encode(question.prompt))
        + max(map(len, branches(model.prompt_format, question.prompt, question.choices)))
        for question in asked
    )


def set_up(
    recipe: Recipe,
    sources: Sequence[Source],
    holdout: Holdout,
    trainable: TrainableModel,
) -> Setting:
    """Plan the packs of material that is loaded already."""
    tokens = trainable.engine.count_tokens
    context, room = context_of(recipe), recipe.optimiser.pack_tokens
    shown = recipe.demonstrations.count if recipe.demonstrations else 0
    packs = plan_packs(
        *(sources, draw_of(recipe), room, context.window, tokens, recipe.seed),
        besides=shown * DEMONSTRATION_TOKENS,
        a_turn=verifier_tokens(recipe.verifier) if recipe.verifier else 0,
    )
    supplements = supplements_of(recipe, sources)
    return Setting(recipe, sources, holdout, trainable, packs, context, supplements)


def objective_of(recipe: Recipe, sources: Sequence[Source]) -> Objective:
    """A recipe's loss over its data.

    Raises:
        ConfigError: Class weights or priors are asked for, and turns have several labels, or two
            different label sets the same name.
    """
    loss = recipe.loss
    focal = Focal(loss.gamma, loss.variant)
    second = recipe.second.weight if recipe.second else 1.0
    if loss.balance == "none" and not loss.adjust:
        return Objective(focal, second=second, distil=loss.distil)
    if any(source.data.several for source in sources):
        raise ConfigError(
            "'loss.balance' and 'loss.adjust' are for single labels; a part of 'train' says "
            "'kind: several'.",
            hint="Leave them out.",
        )
    found = label_counts(sources)
    counts = {label_set.name: examples for label_set, examples in found.items()}
    if len(counts) < len(found):
        again = next(
            name for name, times in Counter(one.name for one in found).items() if times > 1
        )
        raise ConfigError(
            "'loss.balance' and 'loss.adjust' count labels per label set; the recipe trains on "
            f"different ones with one name, '{again}'.",
            hint="Leave them out, or train on data of one label set.",
        )
    return Objective(
        focal,
        weights={}
        if loss.balance == "none"
        else {name: class_weights(examples, loss.balance) for name, examples in counts.items()},
        log_priors={
            name: dict(zip(examples, log_prior(examples, tuple(examples)), strict=True))
            for name, examples in counts.items()
        },
        adjust=loss.adjust,
        second=second,
        distil=loss.distil,
    )
