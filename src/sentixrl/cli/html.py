"""``classify --html``: the answers as one file for a browser."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from sentixrl.cli.console import answers, styled
from sentixrl.cli.exits import EXIT_ITEM_ERRORS
from sentixrl.cli.files import check_place, writing
from sentixrl.dialogue import Dialogue
from sentixrl.errors import ConfigError
from sentixrl.formats.characters import as_text, shown
from sentixrl.formats.ledger import Ledger
from sentixrl.prediction import DialoguePrediction, Status

if TYPE_CHECKING:
    from sentixrl.classifier import Classifier

MOST_TURNS = 20_000
"""More make a file that browsers open slowly or not at all."""


def check_target(path: Path) -> None:
    """Refuse a file that is no page, or cannot be written.

    Raises:
        ConfigError: Its name does not end in ``.html``.
        InputError: Its folder is missing, or it is a folder itself.
    """
    if path.suffix.lower() not in {".html", ".htm"}:
        raise ConfigError(
            f"'{shown(path.name)}' does not end in .html.", hint="Name it, for example, out.html."
        )
    check_place(path)


def write_html(
    path: Path,
    title: str,
    classifier: Classifier,
    answered: Iterable[tuple[Dialogue, DialoguePrediction, Ledger | None]],
    *,
    pseudonyms: bool = False,
) -> int:
    """Write a page of all conversations.

    Args:
        path: Where to.
        title: What the page is called.
        classifier: Who answers.
        answered: Dialogues with their answers.
        pseudonyms: Whether names were replaced before anything was asked.

    Returns:
        The exit code: 2 if a turn failed.

    Raises:
        ConfigError: There are more turns than a page can hold.
    """
    from sentixrl.evidence import mood_turns
    from sentixrl.pages import Answered, conversation_page

    held: list[Answered] = []
    turns = 0
    for dialogue, prediction, _ in answered:
        turns += len(dialogue)
        if turns > MOST_TURNS:
            raise ConfigError(
                f"The input has more than {MOST_TURNS:,} turns, too many for one page.",
                hint="Give a shorter file, or use --json.",
            )
        held.append(Answered(dialogue, prediction, mood_turns(dialogue, prediction)))
    page = conversation_page(
        held,
        classifier.label_set,
        as_text(title),
        calibrated=classifier.negotiation.calibration.fitted,
        remarks=_remarks(classifier, pseudonyms=pseudonyms),
    )
    with writing(path) as stream:
        stream.write(page)
    answers().print(styled(f"written to {as_text(str(path))}"), soft_wrap=True)
    failed = any(item.status is Status.ERROR for one in held for item in one.prediction.items)
    return EXIT_ITEM_ERRORS if failed else 0


def _remarks(classifier: Classifier, *, pseudonyms: bool) -> list[str]:
    """What decided the answers beside model and texts."""
    labels = ", ".join(classifier.label_set.names)
    remarks = [f"Labels ({classifier.label_set.name}): {labels}."]
    if classifier.negotiation.prior is not None:
        shares = ", ".join(
            f"{name} {share:.0%}" for name, share in classifier.negotiation.prior.items()
        )
        remarks.append(f"Label shares that were given: {shares}.")
    if pseudonyms:
        remarks.append(
            "Names are pseudonyms. The model read these too, so answers differ from those with "
            "names."
        )
    return remarks
