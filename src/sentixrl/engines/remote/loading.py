"""From an address to a remote engine: what is there, can it be believed, how is it asked.

Contract: the server is identified first and probed before anything is scored. What fails the probe
is asked in the written mode, or refused where it writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sentixrl.engines.local.prompt_format import ChatFormat, PlainFormat, PromptFormat
from sentixrl.engines.options import PromptFormatName, RemoteOptions
from sentixrl.engines.remote.address import SUPPORTED, Address, parse_address
from sentixrl.engines.remote.backend import Backend, Model, count_of
from sentixrl.engines.remote.chat import Chat, Completions, Ollama
from sentixrl.engines.remote.codes import CodedBackend, WrittenBackend
from sentixrl.engines.remote.decisions import DecisionBackend
from sentixrl.engines.remote.engine import RemoteEngine
from sentixrl.engines.remote.exact import TokenBackend, WrittenTokens
from sentixrl.engines.remote.llama_cpp import LlamaCpp, read_props
from sentixrl.engines.remote.refusals import ServerError
from sentixrl.engines.remote.sglang import Sglang
from sentixrl.engines.remote.tokens import ServerChatFormat, ServerText, has_markers
from sentixrl.engines.remote.transport import Json, Server
from sentixrl.engines.remote.vllm import Vllm
from sentixrl.errors import ConfigError, ModelError
from sentixrl.formats.characters import shown

_LISTED = 10
TOKEN_KINDS = frozenset({"llama.cpp", "vllm", "sglang"})
"""Kinds whose prompts are made of tokens here."""
_NO_TEMPLATE = frozenset({400, 404, 405, 422, 501})
"""Statuses of servers that render no messages, however often they are asked."""
_NONE = "The server tells of no chat template."


def open_remote(
    name: str,
    options: RemoteOptions | None = None,
    prompt_format: PromptFormatName | None = None,
) -> RemoteEngine:
    """An engine for a model on a server.

    Args:
        name: Its address, as :func:`~sentixrl.engines.remote.address.parse_address` takes it.
        options: Bounds on requests.
        prompt_format: How prompts become text; ``None`` for chat if the server has a template.

    Raises:
        ModelError: The server cannot be reached, is of another kind, lacks the model, or fails the
            probe and writes nothing.
        MissingDependencyError: The libraries for it are not installed.
        ConfigError: The server decides how prompts become text.
    """
    address = parse_address(name)
    if prompt_format is not None and address.kind not in TOKEN_KINDS:
        raise ConfigError(
            f"A server of kind '{address.kind}' is sent messages, and decides itself how they "
            "become text.",
            hint="Leave --prompt-format out.",
        )
    server = Server(address, options or RemoteOptions())
    try:
        backend, probed, notes = _found(server, prompt_format)
    except ServerError as error:
        raise _not_loaded(error) from None

    def again() -> tuple[Backend, Sequence[float]]:
        return _found(server, prompt_format)[:2]

    if address.kind not in SUPPORTED:
        notes.append(
            f"'{address.kind}' is experimental: it follows the documentation of such servers, and "
            "was run against none."
        )
    named = backend.model.name or address.host
    shown_name = named.rstrip("/").rpartition("/")[2] if named.startswith("/") else named
    return RemoteEngine(shown_name, server, backend, probed, notes, again)


def _not_loaded(error: ServerError) -> ModelError:
    failure = error.failure
    return ModelError(
        failure.message, hint=failure.hint, code=failure.code, retryable=failure.retryable
    )


def _found(
    server: Server, prompt_format: PromptFormatName | None
) -> tuple[Backend, Sequence[float], list[str]]:
    """How a server is asked, what the probe gave, and what a user should know of it."""
    backend, otherwise, notes = _candidates(server, prompt_format)
    try:
        return backend, backend.probe(), notes
    except ServerError as error:
        if otherwise is None or error.failure.code not in {"bad_reply", "refused", "no_scores"}:
            raise
        why = error.failure.message
    note = f"{server.address.host} gives no scores that can be believed, so answers are written: "
    return otherwise, (), [*notes, note + why]


def _candidates(
    server: Server, prompt_format: PromptFormatName | None
) -> tuple[Backend, Backend | None, list[str]]:
    """How a server is asked if it passes the probe, how otherwise, and what a user should know."""
    address, rotations = server.address, server.options.rotations
    match address.kind:
        case "llama.cpp":
            return _llama_cpp(server, prompt_format)
        case "vllm" | "sglang":
            return _by_tokens(server, prompt_format)
        case "openai":
            chat = Chat(server, _listed_model(server))
            return CodedBackend(chat, rotations), WrittenBackend(chat), []
        case "completions":
            completions = Completions(server, _listed_model(server))
            return CodedBackend(completions, rotations), WrittenBackend(completions), []
        case "ollama":
            ollama = Ollama(server, _ollama_model(server))
            return CodedBackend(ollama, rotations), WrittenBackend(ollama), []
        case "systemone" | "decisions":
            return DecisionBackend(server, _listed_model(server)), None, []


def _llama_cpp(
    server: Server, prompt_format: PromptFormatName | None
) -> tuple[Backend, Backend | None, list[str]]:
    told = read_props(server)
    if told is None:
        raise _another_kind(server.address, "a llama.cpp server")
    llama = LlamaCpp(server, *told)
    text = ServerText(llama, llama.special["eos_token"] or None)
    chat: ChatFormat | None = None
    if prompt_format != "plain" and llama.chat_template is not None:
        chat = ChatFormat(text, llama.chat_template, llama.special)
    formed, notes = _settled(server, chat, text, prompt_format)
    return TokenBackend(llama, text, formed), WrittenTokens(llama, text, formed), notes


def _by_tokens(
    server: Server, prompt_format: PromptFormatName | None
) -> tuple[Backend, Backend | None, list[str]]:
    address = server.address
    vllm = address.kind == "vllm"
    version = _version(server, "/version" if vllm else "/get_model_info")
    if version is None:
        raise _another_kind(address, "a vLLM server" if vllm else "an SGLang server")
    model = replace(_listed_model(server), version=version)
    source = Vllm(server, model) if vllm else Sglang(server, model)
    text = ServerText(source)
    chat: ChatFormat | None = None
    why = _NONE
    if prompt_format != "plain":
        try:
            chat = ServerChatFormat(text, source.rendered)
        except ModelError as error:  # a template that does not take these messages
            why = error.message
        except ServerError as error:
            if error.status not in _NO_TEMPLATE:
                raise
            why = error.failure.message
    formed, notes = _settled(server, chat, text, prompt_format, why)
    return TokenBackend(source, text, formed), WrittenTokens(source, text, formed), notes


def _settled(
    server: Server,
    chat: ChatFormat | None,
    text: ServerText,
    wanted: PromptFormatName | None,
    why: str = _NONE,
) -> tuple[PromptFormat, list[str]]:
    """The prompt format, and a note where nobody asked for the plain text that it is.

    It is chat if there is a template whose markers the model knows; ``why`` says why there is none.
    """
    if chat is not None:
        if wanted == "chat" or has_markers(chat, text):
            return chat, []
        why = "The markers of its chat template are no tokens of its model."
    if wanted == "chat":
        raise ModelError(why, hint="Use plain text: --prompt-format plain.")
    note = f"{server.address.host} is asked in plain text, not in a chat format: {why}"
    return PlainFormat(text), [] if wanted == "plain" else [note]


def _version(server: Server, path: str) -> str | None:
    """The version that a server of a kind tells at a path of its own; ``None`` if it has none."""
    try:
        said = server.get(path)
    except ServerError as error:
        if error.status == 404:
            return None
        raise
    if not isinstance(said, Mapping):
        return None
    version = said.get("version", "")
    return version if isinstance(version, str) else None


def _listed_model(server: Server) -> Model:
    """The model that is meant, from ``/v1/models``.

    Raises:
        ModelError: The server has several, or not this one.
        ServerError: It cannot be asked.
    """
    wanted = server.address.model
    try:
        said = server.get("/v1/models")
    except ServerError as error:
        if error.status != 404:
            raise
        return Model(wanted)  # it has no such list
    listed = said.get("data", said.get("models")) if isinstance(said, Mapping) else None
    named = {
        name: entry
        for entry in _entries(listed)
        if isinstance(name := entry.get("id", entry.get("name")), str)
    }
    chosen = _chosen(server.address, list(named))
    entry = {} if chosen is None else named.get(chosen, {})
    meta = entry.get("meta")
    root = entry.get("root")
    return Model(
        chosen,
        context_tokens=count_of(entry, "max_model_len") or count_of(meta, "n_ctx") or None,
        parameters=count_of(meta, "n_params") or None,
        weights=root if isinstance(root, str) and not root.startswith("/") else None,
    )


def _entries(listed: Json) -> list[Mapping[str, Json]]:
    """The models in a server's list; none where it is no list."""
    return [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []


def _ollama_model(server: Server) -> Model:
    version = _version(server, "/api/version")
    if version is None:
        raise _another_kind(server.address, "an Ollama server")
    said = server.get("/api/tags")
    listed = said.get("models") if isinstance(said, Mapping) else None
    digests = {
        one["name"]: one.get("digest")
        for one in _entries(listed)
        if isinstance(one.get("name"), str)
    }
    wanted = server.address.model
    if wanted is not None and wanted not in digests and f"{wanted}:latest" in digests:
        wanted = f"{wanted}:latest"
    name = wanted if wanted in digests else _chosen(server.address, list(digests))
    digest = digests.get(name or "")
    return Model(name, weights=digest[:16] if isinstance(digest, str) else None, version=version)


def _chosen(address: Address, names: Sequence[str]) -> str | None:
    """Which of a server's models is meant; ``None`` if it names none and none was asked for."""
    if address.model is not None:
        if names and address.model not in names:
            raise ModelError(
                f"The server at {address.host} has no model '{shown(address.model, 80)}'.",
                hint=f"It has {_some(names)}.",
            )
        return address.model
    if len(names) > 1:
        raise ModelError(
            f"The server at {address.host} has {len(names)} models.",
            hint=f"Say which after '#', such as {address}#{shown(names[0], 80)}. "
            f"It has {_some(names)}.",
        )
    return names[0] if names else None


def _some(names: Sequence[str]) -> str:
    listed = ", ".join(shown(name, 80) for name in names[:_LISTED])
    return f"{listed} and {len(names) - _LISTED} more" if len(names) > _LISTED else listed


def _another_kind(address: Address, wanted: str) -> ModelError:
    return ModelError(
        f"The server at {address.host} is not {wanted}.",
        hint="Name what it is: llama.cpp, vllm, sglang, ollama; for others openai or completions.",
    )


def told_of(engine: RemoteEngine) -> Mapping[str, str]:
    """What ``sentixrl doctor`` shows of a server: name → value, those that are known."""
    backend, address = engine.backend, engine.server.address
    model = backend.model
    ways = {
        "exact": "exact: the model's own log-probabilities over whole labels",
        "letter codes": "letter codes: inexact, from the likeliest tokens the server shows",
        "decisions": "decisions: inexact, the server's own probabilities",
        "written": "none: answers are written, then read",
    }
    key = address.key_variable
    keys = f"{key}, sent" if engine.server.sends_key else f"none sent ({key} is not set)"
    if not address.secure:
        keys = "none sent: it is plain http beyond this machine"
    facts = {
        "server": f"{address.kind} {model.version or ''}".strip(),
        "texts go to": address.host,
        "model": model.name,
        "reads": f"{model.context_tokens:,} tokens" if model.context_tokens else None,
        "parameters": f"{model.parameters:,}" if model.parameters else None,
        "prompts": backend.prompt_format or "as messages or text; the server lays them out",
        "scores": ways[backend.way],
        "at once": f"{engine.capabilities.workers} requests",
        "key": keys,
    }
    notes = {"note": " ".join(engine.notes)} if engine.notes else {}
    return {name: value for name, value in facts.items() if value} | notes
