"""A server's scores against the local engine's, on the same weights. To results/server_scores.json.

    vllm serve FOLDER --served-model-name smollm2-135m --dtype float32 --port 8100
    python -m benchmarks.server_scores vllm:http://127.0.0.1:8100 --weights FOLDER

Labels of one token and of several, in five languages, one label beginning another; conversations
in these languages; every pair of labels too, so that no likely label hides the others' errors.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer

from sentixrl.context.prompt import Prompt
from sentixrl.engines.local.hardware import processor_name
from sentixrl.engines.local.loading import open_engine
from sentixrl.engines.options import EngineOptions, PromptFormatName
from sentixrl.engines.protocol import Engine, ScoreRequest, Scores
from sentixrl.engines.remote.loading import open_remote
from sentixrl.errors import ModelError
from sentixrl.runs.storage import write_json

LABELS = (
    *("joy", "anger", "anger management", "angers", "deep melancholy", "surprise", "sad rain"),
    *("the tale", "is that right", "高兴", "悲伤", "حزن", "خير", "खुशी", "¡ay!"),
)
_BASE = Prompt().then("system", "Name the emotion.", "\nEmotions: joy, anger, calm.")
_ASKED = (
    ("Ann: I cannot believe you kept the letter.", "Emotion of Ann:"),
    ("小雨：你还留着那封信？", "情绪："),
    ("سلمى: ما زلت تحتفظ برسالتي؟", "شعور سلمى:"),
    ("हम नदी के किनारे चले।", "भावना:"),
    ("Luz: ¿Todavía la tienes?", "Emoción de Luz:"),
)
RESULT = Path(__file__).parent.parent / "results" / "server_scores.json"


def main(
    server: Annotated[str, typer.Argument(help="KIND:URL.")],
    weights: Annotated[Path, typer.Option(help="The folder of the weights that it serves.")],
    prompt_format: Annotated[str, typer.Option(help="plain or chat.")] = "plain",
) -> None:
    """Compare, print and write."""
    form: PromptFormatName = "chat" if prompt_format == "chat" else "plain"
    remote = open_remote(server, prompt_format=form)
    here = open_engine(weights, EngineOptions(dtype="float32", prompt_format=form))
    prompts = [_BASE.then("user", said).line("user", asked) for said, asked in _ASKED]
    whole = [ScoreRequest(prompt, LABELS, mass=True) for prompt in prompts]
    pairs = [ScoreRequest(prompt, (LABELS[0], other)) for prompt in prompts for other in LABELS[1:]]
    begun = time.perf_counter()
    found = _scores(remote, [*whole, *pairs])
    seconds = time.perf_counter() - begun
    expected = _scores(here, [*whole, *pairs])
    nats = np.concatenate([_difference(*two) for two in zip(found, expected, strict=True)])
    facts: dict[str, Any] = {
        "date": datetime.now(UTC).date().isoformat(),
        "server": {**remote.describe(), "version": remote.machine()["server_version"]},
        "prompt_format": form,
        "questions": len(whole) + len(pairs),
        "label_tokens": sorted({len(here.text.bare(f" {label}")) for label in LABELS}),
        "largest_nats": float(nats.max()),
        "p99_nats": float(np.quantile(nats, 0.99)),
        "largest_mass": max(
            abs((one.mass or 0) - (other.mass or 0))
            for one, other in list(zip(found, expected, strict=True))[: len(whole)]
        ),
        "seconds": round(seconds, 2),
        "machine": processor_name(torch.device("cpu")),
    }
    write_json(RESULT, facts)
    typer.echo(f"{facts['questions']} questions, largest difference {nats.max():.2e} nats")


def _scores(engine: Engine, requests: Sequence[ScoreRequest]) -> list[Scores]:
    with engine.session() as session:
        answers = session.score(list(requests))
    found = []
    for answer in answers:
        if not isinstance(answer, Scores):
            raise ModelError(answer.message, hint=answer.hint)
        found.append(answer)
    return found


def _difference(found: Scores, expected: Scores) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.abs(np.subtract(found.log_probs, expected.log_probs))


if __name__ == "__main__":
    typer.run(main)
