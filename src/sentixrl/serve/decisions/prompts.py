"""What a model is asked: the state first, then one question.

Contract: all questions about one state share every token up to the question, so a further question
costs its own words. What a request says stands on lines of its own and cannot imitate the prompt's
layout. The templates' language follows the state's.
"""

from __future__ import annotations

from sentixrl.context.building import language_of, one_line
from sentixrl.context.language import template_language
from sentixrl.context.prompt import Prompt
from sentixrl.context.templates import DECISION, TemplateSet, templates
from sentixrl.dialogue import Dialogue
from sentixrl.engines.protocol import ScoreRequest
from sentixrl.serve.decisions.questions import Kind, Question

_LONGEST_NAME = 60


class StatePrompt:
    """A text or conversation about which questions are asked.

    Args:
        state: One utterance without a speaker for a text, else the turns.
    """

    def __init__(self, state: Dialogue) -> None:
        self._template: TemplateSet = templates(template_language(language_of(state)))
        prompt = Prompt().then("system", self._say("instruction"))
        for turn in state:
            name, text = one_line(turn.speaker or "")[:_LONGEST_NAME], one_line(turn.text)
            said = self._template.render("context", "turn", speaker=name, text=text)
            prompt = prompt.line("user", said if len(state) > 1 or name else text)
        self._prompt = prompt

    def asked(self, question: Question) -> ScoreRequest:
        """What the model is asked; its choices stand in the order of the options."""
        say, options = self._say, question.options
        default = {Kind.CHOICE: "which", Kind.SCORE: "which_level", Kind.YES_NO: "so"}
        text = one_line(question.instructions) or say(default[question.kind])
        prompt = self._prompt.line("user", say("question", text=text))
        if question.kind is Kind.YES_NO:
            for block, option in zip(("yes_means", "no_means"), options, strict=True):
                if meaning := one_line(option.description):
                    prompt = prompt.line("user", say(block, text=meaning))
            return ScoreRequest(prompt.line("user", say("answer")), (say("yes"), say("no")))
        scale = question.kind is Kind.SCORE
        words = [
            str(level) if scale else one_line(option.word) for level, option in enumerate(options)
        ]
        shown = [
            {"word": word, "gloss": one_line(option.description)}
            for word, option in zip(words, options, strict=True)
        ]
        prompt = prompt.line("user", say("levels" if scale else "answers", options=shown))
        return ScoreRequest(prompt.line("user", say("level" if scale else "answer")), tuple(words))

    def _say(self, block: str, **values: object) -> str:
        return self._template.render(DECISION, block, **values)
