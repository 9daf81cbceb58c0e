"""A service on loopback whose model is a script: it hears a few words in several languages."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import uvicorn

from sentixrl.classifier import Classifier
from sentixrl.context.building import ContextOptions
from sentixrl.context.prompt import Prompt
from sentixrl.engines.scripted import Scorer, ScriptedEngine
from sentixrl.labels import LabelSet, scheme
from sentixrl.negotiation.options import NegotiationOptions
from sentixrl.serve.app import make_app
from sentixrl.serve.guard import Access
from sentixrl.serve.served import Models, ServedModel
from sentixrl.serve.service import Service

HEARD = {
    "anger": ("nobody", "no voy", "dripping", "refund", "!!", "enfades"),
    "joy": ("thank", "ríe", "río", "helado", "tío", "سليمة", "wonderful", "listened"),
    "fear": ("socket", "ترتجفان", "تكلّمي", "ambulance"),
    "sadness": ("sorry", "padre", "miss ", "alone"),
    "surprise": ("truly", "really", "?!"),
}
LATE = 0.4
"""How much a word counts that was said earlier, for each turn since."""


def weigh(prompt: Prompt, choices: tuple[str, ...]) -> list[float]:
    """Weights of choices by the words that stand in the last turns."""
    turns = [line for line in prompt.text.split("\n") if ": " in line or "– " in line]
    if len(choices) == 2 and "yes" in [choice.casefold() for choice in choices]:
        return [0.8, 0.2]
    weights = dict.fromkeys(choices, 1.0)
    weights |= {choice: 3.0 for choice in choices if choice in {"neutral", "平静", "محايد"}}
    for back, turn in enumerate(reversed(turns[-5:])):
        for place, words in enumerate(HEARD.values()):
            if any(word in turn.casefold() for word in words):
                choice = choices[list(HEARD).index(list(HEARD)[place]) % len(choices)]
                named = [one for one in choices if one in NAMES[list(HEARD)[place]]]
                weights[named[0] if named else choice] += 20 * LATE**back
    return list(weights.values())


NAMES = {name: {name, *(scheme("ekman-7")[name].display.values())} for name in HEARD}


def make_service(
    queue_tokens: int = 200_000,
    token: str | None = None,
    script: Scorer = weigh,
    labels: LabelSet | None = None,
) -> Service:
    """The service, not yet running."""
    engine = ScriptedEngine(script, name="script")
    classifier = Classifier(
        engine,
        labels or scheme("ekman-7"),
        ContextOptions(),
        NegotiationOptions(enabled=False, reproducible=False),
    )
    access = Access(token=token)
    return Service(Models([ServedModel("script", classifier)]), access, queue_tokens)


@contextlib.contextmanager
def running(service: Service) -> Iterator[str]:
    """Run a service in a thread; gives its address."""
    bound = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(make_app(service), log_config=None, access_log=False, ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        bound.close()
