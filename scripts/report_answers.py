"""The report's first page: an answer to each question that was run, figures filled in from results.

The words are ours, the figures are not: ``[a against b]`` stands for a contrast of the experiment
with its interval, ``[condition | place]`` for a condition's value there, ``[condition / other]``
for how many times as many seconds it takes. One that has not been run is an error, so no sentence
outlives its figures. The first line of each is the answer in one sentence.
"""

from __future__ import annotations

import re
from typing import Any

from tables import points, signed

from sentixrl.experiments.plan import METRIC_NAMES

ANSWERS = {
    "rounds": (
        "One answer, without negotiation: a limit of one round changes nothing, and every higher "
        "limit loses points.\n"
        "Where the discriminator objects to a fifth of the first "
        "proposals, a limit of one round changes [limit 1, objects to 0.2 against single], two "
        "[limit 2, objects to 0.2 against single], three [limit 3, objects to 0.2 against single], "
        "ten [limit 10, objects to 0.2 against single], for "
        "[limit 3, objects to 0.2 / single] times the seconds at three and "
        "[limit 10, objects to 0.2 / single] times at ten. The fewer objections, the smaller the "
        "loss: at 2% [limit 3, objects to 0.02 against single]. At the same rate, verdicts beat "
        "random ones by [limit 3, objects to 0.2 against limit 3, random objections to 0.2], but "
        "verdicts on other turns with the same proposal by "
        "[limit 3, objects to 0.2 against limit 3, verdicts on other turns, 0.2]: what they know "
        "is the label, not the turn."
    ),
    "languages": (
        "A few hundred texts of the language itself are worth more than as many of other "
        "languages; without any, prompts in English carry over far better than prompts in each "
        "language.\n"
        "Trained on 800 texts of the language per form, 270 million parameters stand where simpler "
        "ways do: [in the language against tfidf] against TF-IDF, "
        "[in the language against embeddings in the language] against multilingual embeddings. One "
        "model for all six languages adds [all languages against in the language]. As many texts "
        "of five other languages, under prompts in the language of each text, leave it "
        "[from the others against embeddings from the others] from embeddings of the same texts "
        "and [from the others against base without training] above the untrained base; a model of "
        "the language's own texts is [in the language against from the others] better. English "
        "prompts for all languages bring "
        "[from the others, English prompts against from the others], and "
        "[English prompts against each language's own, from the others, a question per label] "
        "where each label is a question (both without Moroccan Arabic, which was not run). There "
        "the language's own texts bring "
        "[in the language against from the others, a question per label], with thresholds fitted "
        "on the same dev split, which flatters them. For scale, the model "
        "that comes along has [default without training | es] in Spanish, "
        "[default without training | hi] in Hindi, [default without training | ary] in Moroccan "
        "and [default without training | arq] in Algerian Arabic, of which it has not seen the "
        "last."
    ),
    "peers": (
        "Not decided: the larger model has not been trained yet.\n"
        "The two small ones have [135m | meld] and [270m | meld] on MELD, pooled "
        "[pool of 135m and 270m | meld]; on EmoryNLP [135m | emorynlp] and [270m | emorynlp], "
        "pooled [pool of 135m and 270m | emorynlp]."
    ),
    "policies": (
        "Not decided: the larger models have not been trained yet.\n"
        "One model of 270 million parameters for both sets has [270m | meld] on MELD and "
        "[270m | emorynlp] on EmoryNLP."
    ),
    "ablation": (
        "History is what counts; nothing else is clear of zero.\n"
        "History is worth [full against history off when asked] when a trained "
        "model is asked without it, [full against without history] when a model is trained "
        "without it, and [full against history of a stranger] against a stranger's. "
        "The instruction is worth [full against without instruction], the label statement "
        "[full against without label statement], the speakers' names "
        "[full against anonymous speakers], a larger model's deductions "
        "[deductions against part without deductions] (against those of another dialogue "
        "[deductions against deductions of strangers]), four similar training turns "
        "[demonstrations against full] (against any four "
        "[demonstrations against demonstrations at random])."
    ),
}
_FIGURE = re.compile(r"\[([^][]+)\]")


def answer(name: str, found: dict[str, Any]) -> str | None:
    """The answer to an experiment's question, of the last split that was looked at.

    Args:
        name: The experiment's name.
        found: Its results, as written by ``sentixrl experiment``.

    Raises:
        KeyError: A figure of the answer is not among the results.
    """
    if name not in ANSWERS:
        return None
    split, told = list(found["splits"].items())[-1]
    differences = {one["title"]: one["found"] for one in told["family"] if one["found"]}
    used: list[int] = []

    def figure(match: re.Match[str]) -> str:
        if " / " in match[1]:
            first, second = (_seconds_of(told, name) for name in match[1].split(" / "))
            return f"{first / second:.1f}"
        title, _, place = match[1].partition(" | ")
        if place:
            here = told["conditions"][title]["places"][place]
            used.append(here["seeds"])
            return points(here[found["metric"]]["value"])
        one = differences[title]
        used.extend(one["seeds"].values())
        ends = "" if one["low"] is None else f" ({signed(one['low'])} to {signed(one['high'])})"
        return signed(one["value"]) + ends

    text = _FIGURE.sub(figure, ANSWERS[name])
    metric = METRIC_NAMES[found["metric"]]
    return f"{text} (Points of {metric} on {split}, 95% intervals, {_seeds(used)}.)"


def _seconds_of(told: dict[str, Any], name: str) -> float:
    seconds: list[float] = [one["seconds"] for one in told["conditions"][name]["places"].values()]
    return sum(seconds)


def _seeds(used: list[int]) -> str:
    words = {1: "one seed", 2: "two seeds", 3: "three seeds"}
    fewest, most = min(used), max(used)
    return words[most] if fewest == most else f"{words[fewest].split()[0]} to {words[most]}"
