"""Before a measurement: can its prompts be made for this model? Answered within seconds, without the weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from workers.engine.chat_rendering import chat_renderer
from workers.engine.documents.components import Component, Position, component
from workers.engine.documents.finding import place_fields
from workers.engine.documents.measurement import Identity, Measurement, PromptPart
from workers.engine.documents.model import Model
from workers.engine.metrics import METRICS
from workers.engine.prompts import GENERATORS, Answer, Prompt, Refused, Render, Source, Vocabulary
from workers.engine.seeds import fit_seed, number_of, public_seed
from workers.engine.techniques import TECHNIQUES

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SAMPLE = 256
"""How many prompts of a seeded draw are looked at; stated and enumerated ones all are."""


def prepare(measurement: Measurement, vocabulary: Vocabulary) -> None:
    """Raises Refused, naming a prompt and what to change, if the measurement cannot be made on this model."""
    public = public_seed(measurement.sha256, 0, measurement.protocol)
    for prompt in _sample(measurement.prompts, vocabulary, public):
        _require_what_the_spec_names(prompt, measurement)
    for part in measurement.fit.values():
        for prompt in _sample(part, vocabulary, fit_seed(measurement.sha256)):
            _require_corruption(prompt, measurement.spec.corruption)


def require_this_version(measurement: Measurement) -> None:
    """Raises Refused if the technique has changed since, so that a new number would be another one."""
    current = TECHNIQUES[measurement.technique].version
    if measurement.technique_version != current:
        raise Refused(
            f"the claim was saved for version {measurement.technique_version} of {measurement.technique}, and this "
            f"engine has version {current}: edit its finding, and its claims are measured by that"
        )


def vocabulary_of(tokenizer: Tokenizer | None, model: Model | Identity, outputs: int | None = None) -> Vocabulary:
    """How text becomes this model's tokens: as written, or, for `chat` prompts, through its chat template.

    outputs: of the loaded weights; a document does not say.
    """
    if tokenizer is None and model.tokenizer_sha256 is not None:
        raise Refused("the model states a tokenizer, and none was found beside its weights; put tokenizer.json there")
    size, longest = model.dimensions.vocabulary, model.dimensions.positions
    if model.bos is not None and model.bos >= size:
        raise Refused(f"the model's BOS is token {model.bos}, but its tokens end at {size - 1}; correct bos")
    if tokenizer is None:
        return Vocabulary(size, longest, model.bos, outputs=outputs)
    whole = _without_limits(tokenizer)
    encode = partial(whole.encode, add_special_tokens=False)
    control, unwritten = _control_tokens(whole), _unwritten_tokens(whole, size)
    special, chat = control | unwritten, _chat(whole, model)
    return Vocabulary(size, longest, model.bos, encode, special, control - unwritten, chat, outputs)


def prompts_of(source: Source, vocabulary: Vocabulary, seed: str | None) -> Iterator[Prompt]:
    """The prompts of a draw, each of them checked: the one way in which a run gets its prompts.

    seed: null where nothing is drawn (stated and enumerated prompts). Wrong answers that only some of the prompts have
    are left out: no difference from them could be measured.
    """
    generator = GENERATORS[source.generator]
    if seed is None and generator.draws(source) == "seeded":
        raise ValueError(f"prompts of {source.generator} are drawn: a seed is needed")
    compared = generator.names(source).has_wrong_answers
    for prompt in generator.generate(source, vocabulary, 0 if seed is None else number_of(seed)):
        _require_usable(prompt, vocabulary)
        yield prompt if compared else _without_wrong(prompt)


def _without_wrong(prompt: Prompt) -> Prompt:
    return replace(prompt, answers=tuple(replace(answer, wrong=()) for answer in prompt.answers))


def _sample(part: PromptPart, vocabulary: Vocabulary, seed: str) -> Iterable[Prompt]:
    generator = GENERATORS[part.source.generator]
    if part.generator_version != generator.version:
        raise Refused(
            f"the measurement takes version {part.generator_version} of {part.source.generator}, and this engine has "
            f"version {generator.version}; save the claim anew"
        )
    number = SAMPLE if generator.draws(part.source) == "seeded" else None
    return islice(prompts_of(part.source, vocabulary, seed), number)


def _without_limits(tokenizer: Tokenizer) -> Tokenizer:
    """The tokenizer, neither cutting off long texts nor filling up short ones."""
    if tokenizer.truncation is None and tokenizer.padding is None:
        return tokenizer
    whole: Tokenizer = type(tokenizer).from_str(tokenizer.to_str())
    whole.no_truncation()
    whole.no_padding()
    return whole


def _chat(tokenizer: Tokenizer, model: Model | Identity) -> Callable[[], AbstractContextManager[Render]] | None:
    if model.chat_template is None:
        return None
    bos = None if model.bos is None else tokenizer.id_to_token(model.bos)
    return partial(chat_renderer, model.chat_template, bos)


def _control_tokens(tokenizer: Tokenizer) -> frozenset[int]:
    """Ids that stand for something else than words: the beginning of a text, of a message."""
    return frozenset(token for token, text in tokenizer.get_added_tokens_decoder().items() if text.special)


def _unwritten_tokens(tokenizer: Tokenizer, size: int) -> frozenset[int]:
    """Ids that no text is to have: the unknown word, and ids without a text."""
    unknown = getattr(tokenizer.model, "unk_token", None)
    without_text = set(range(size)).difference(tokenizer.get_vocab(with_added_tokens=True).values())
    unknown_id = None if unknown is None else tokenizer.token_to_id(unknown)
    return frozenset(without_text | ({unknown_id} if unknown_id is not None else set()))


def _require_usable(prompt: Prompt, vocabulary: Vocabulary) -> None:
    """What no prompt of any generator may lack."""
    length = len(prompt.tokens)
    if length > vocabulary.longest:
        raise Refused(f"{prompt.text!r}: has {length} tokens, and the model takes {vocabulary.longest}; shorten it")
    for name, tokens in {"as it is": prompt.tokens, **prompt.corrupted}.items():
        if len(tokens) != length:
            raise Refused(f"{prompt.text!r}: has {length} tokens, corrupted by {name!r} {len(tokens)}; make them equal")
        _require_tokens(prompt, tokens, vocabulary)
    _require_inside(prompt)
    if not prompt.answers:
        raise Refused(f"{prompt.text!r}: has no answer to read; state one")
    for answer in prompt.answers:
        _require_answer(prompt, answer, vocabulary)


def _require_inside(prompt: Prompt) -> None:
    named = {name: {index} for name, index in prompt.positions.items()}
    named |= {name: {index for pair in pairs for index in pair} for name, pairs in prompt.entries.items()}
    for name, indices in named.items():
        if not indices <= set(range(len(prompt.tokens))):
            raise Refused(f"{prompt.text!r}: {name} lies outside of it; correct the position")


def _require_tokens(prompt: Prompt, tokens: tuple[int, ...], vocabulary: Vocabulary) -> None:
    unknown = [token for token in tokens if not 0 <= token < vocabulary.size]
    if unknown:
        raise Refused(f"{prompt.text!r}: the model has no token {unknown[0]}; its tokens end at {vocabulary.size - 1}")


def _require_outputs(prompt: Prompt, answers: tuple[int, ...], vocabulary: Vocabulary) -> None:
    """Answers are read off the model's outputs, of which there may be fewer than tokens, or more."""
    if vocabulary.outputs is None:
        return _require_tokens(prompt, answers, vocabulary)
    unknown = [token for token in answers if not 0 <= token < vocabulary.outputs]
    if unknown:
        last = vocabulary.outputs - 1
        raise Refused(f"{prompt.text!r}: the model gives no answer {unknown[0]}; its outputs end at {last}")


def _require_answer(prompt: Prompt, answer: Answer, vocabulary: Vocabulary) -> None:
    if not answer.right:
        raise Refused(f"{prompt.text!r}: an answer has no right token; state one")
    if not 0 <= answer.position < len(prompt.tokens):
        raise Refused(f"{prompt.text!r}: an answer is read at token {answer.position}, outside of it; correct it")
    _require_outputs(prompt, (*answer.right, *answer.wrong), vocabulary)
    shared = sorted({*answer.right} & {*answer.wrong})
    if shared:
        raise Refused(
            f"{prompt.text!r}: a right and a wrong answer begin with the same token {shared[0]}; "
            "take answers that differ in their first tokens"
        )


def _require_what_the_spec_names(prompt: Prompt, measurement: Measurement) -> None:
    spec = measurement.spec
    for corruption in (spec.corruption, *(given.corruption for given in spec.given)):
        _require_corruption(prompt, corruption)
    for metric in filter(None, (spec.metric, measurement.gate_metric)):
        if METRICS[metric].needs_wrong and not all(answer.wrong for answer in prompt.answers):
            raise Refused(f"{prompt.text!r}: {metric} compares with wrong answers, and it states none; add some")
    for place in _components(measurement):
        _require_place(prompt, place)


def _require_corruption(prompt: Prompt, corruption: str | None) -> None:
    if corruption is not None and corruption not in prompt.corrupted:
        raise Refused(f"{prompt.text!r}: has no corruption {corruption!r}; add it to the behavior")


def _components(measurement: Measurement) -> list[Component]:
    stated = [*place_fields(measurement.spec)]
    stated += [field for given in measurement.spec.given for field in place_fields(given)]
    return [component(text) for _, places in stated for text in places]


def _require_place(prompt: Prompt, place: Component) -> None:
    entry = place.entry
    if entry and entry.named and not prompt.entries.get(entry.named):
        raise Refused(f"{prompt.text!r}: names no attention entries {entry.named}, which {place} needs")
    positions = [place.position, *((entry.query, entry.key) if entry else ())]
    for position in positions:
        if position is not None:
            _require_position(prompt, position, place)


def _require_position(prompt: Prompt, position: Position, place: Component) -> None:
    if position.name not in prompt.positions:
        raise Refused(f"{prompt.text!r}: has no position {position.name}, which {place} needs; add it to the behavior")
    index = prompt.positions[position.name] + position.offset
    if not 0 <= index < len(prompt.tokens):
        raise Refused(f"{prompt.text!r}: {position} lies outside of it (token {index}); correct {place}")
