"""What is read behind a prompt: the first token of its answers, or one answer token by token."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from workers.engine.prompts import Answer, Refused
from workers.engine.tokenized import Tokenized

Scoring = Literal["first_token", "sequence"]
Tokenize = Callable[[str], Tokenized]
"""How a text becomes a prompt's tokens."""


@dataclass(frozen=True)
class Scored:
    """added: the tokens put behind the prompt, and behind its corrupted versions, so that later ones can be read."""

    answers: tuple[Answer, ...]
    added: tuple[int, ...] = ()


def scored(
    prompt: Tokenized, right: Sequence[str], wrong: Sequence[str], scoring: Scoring | None, tokenize: Tokenize
) -> Scored:
    """Answers of one token, or the first tokens of longer ones, are read at the prompt's last token.

    A sequence is read token by token, given the tokens before: its n tokens are n answers. Metrics are means over
    them; `sequence_logprob` is their sum, and `generated_match` whether greedy generation would write them.
    Raises Refused where the tokenizer joins prompt and answer, and where a long answer's scoring is not declared.
    """
    rights = [_answer_tokens(prompt, text, scoring, tokenize) for text in right]
    wrongs = [_answer_tokens(prompt, text, scoring, tokenize) for text in wrong]
    end = len(prompt.tokens) - 1
    if scoring == "sequence" and any(len(tokens) > 1 for tokens in (*rights, *wrongs)):
        sequence = _only_one(prompt, rights, wrongs)
        return Scored(tuple(Answer(end + i, (token,)) for i, token in enumerate(sequence)), sequence[:-1])
    return Scored((Answer(end, _first(rights), _first(wrongs)),))


def _first(answers: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(sorted({tokens[0] for tokens in answers}))


def _only_one(
    prompt: Tokenized, rights: Sequence[tuple[int, ...]], wrongs: Sequence[tuple[int, ...]]
) -> tuple[int, ...]:
    if len({*rights}) != 1 or wrongs:
        raise Refused(
            f"{prompt.text!r}: answers of several tokens are read one by one behind the prompt, so a sequence has one "
            'right answer and no wrong one; state one, or take "scoring": "first_token"'
        )
    return rights[0]


def _answer_tokens(prompt: Tokenized, answer: str, scoring: Scoring | None, tokenize: Tokenize) -> tuple[int, ...]:
    """The tokens that follow the prompt if its text goes on with `answer`."""
    whole = tokenize(prompt.text + answer)
    known, added = whole.tokens[: len(prompt.tokens)], whole.tokens[len(prompt.tokens) :]
    if known != prompt.tokens or not added:
        raise Refused(
            f"{prompt.text!r}: with the answer {answer!r} the tokenizer splits the prompt itself otherwise; "
            "move the space between them from the answer's prefix to the end of the prompt, or the other way round"
        )
    if len(added) > 1 and scoring is None:
        raise Refused(
            f"{prompt.text!r}: the answer {answer!r} has {len(added)} tokens; take answers of one token, "
            'or declare "scoring": "first_token" or "sequence"'
        )
    return added
