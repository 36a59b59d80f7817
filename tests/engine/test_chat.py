"""Conversations in a model's chat template, and templates that mean no good."""

import os
from contextlib import nullcontext
from dataclasses import replace
from itertools import islice
from pathlib import Path
from time import monotonic

import pytest
from tokenizers import AddedToken, Tokenizer

from tests.engine.hand_tokenizers import model, word_tokenizer
from workers.engine import chat_rendering
from workers.engine.chat_rendering import chat_renderer
from workers.engine.documents.behavior import Behavior
from workers.engine.documents.document import Invalid
from workers.engine.documents.model import Model
from workers.engine.prepare import prompts_of, vocabulary_of
from workers.engine.prompts import GENERATORS, Extent, Prompt, Refused, Render, Vocabulary
from workers.engine.prompts.chat import CHAT_TEMPLATE, ChatSource

CHECKED = Path(__file__).parents[1] / "checkpoints"
TEXT = "user assistant system I like cats dogs too Do you Yes be kind"
SPELT = ["<pad>", "<s>", "<unk>", *TEXT.split(), "<end>"]
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ ' ' + message['role'] + ' ' + message['content'] | trim + '<end>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ ' assistant ' }}{% endif %}"
)
CHAT = {
    "generator": "chat",
    "conversations": [[{"role": "user", "content": "I like {THING}"}]],
    "lists": {"things": ["cats", "dogs"]},
    "slots": {"THING": {"list": "things"}},
    "positions": {"THING": {"slot": "THING"}},
    "answers": {"right": ["Yes"], "wrong": ["Do"]},
    "corruptions": {"you": {"replace": {"THING": "you"}}},
}
CHILDREN = Path(f"/proc/self/task/{os.getpid()}/children")
OPEN: dict[str, Render] = {}
HELLO = [{"role": "user", "content": "I like cats"}]


@pytest.fixture(scope="module", autouse=True)
def rendering():
    """One process for all tests of TEMPLATE."""
    with chat_renderer(TEMPLATE, "<s>") as render:
        OPEN["render"] = render
        yield


def vocabulary(template: str | None = TEMPLATE, **changes) -> Vocabulary:
    tokenizer = word_tokenizer(TEXT)
    tokenizer.add_special_tokens([AddedToken("<end>", special=True)])
    found = vocabulary_of(tokenizer, model(tokenizer.get_vocab_size(), chat_template=template, **changes))
    return replace(found, chat=lambda: nullcontext(OPEN["render"])) if template == TEMPLATE else found


def source(**changes) -> ChatSource:
    return ChatSource.from_json({**CHAT, **changes})


def prompts(number: int, seed: int = 0, template: str | None = TEMPLATE, **changes) -> list[Prompt]:
    return list(islice(GENERATORS["chat"].generate(source(**changes), vocabulary(template), seed), number))


def spelt(tokens) -> str:
    return " ".join(SPELT[token] for token in tokens)


def refusal(template: str, bos: str | None = "<s>", messages=HELLO) -> str:
    with pytest.raises(Refused) as raised, chat_renderer(template, bos) as render:
        render(messages)
    return str(raised.value)


def test_a_prompt_is_what_the_chat_template_makes_of_the_messages():
    for prompt in prompts(4):
        thing = "cats" if "cats" in prompt.text else "dogs"
        assert prompt.text == f"<s> user I like {thing}<end> assistant "
        assert spelt(prompt.tokens) == f"<s> user I like {thing} <end> assistant"
        assert spelt(prompt.corrupted["you"]) == "<s> user I like you <end> assistant"
        assert prompt.positions == {"THING": 4, "END": 6}
        assert spelt(prompt.answers[0].right + prompt.answers[0].wrong) == "Yes Do"


def test_bos_stands_before_a_chat_only_if_its_template_writes_it():
    (prompt,) = prompts(1, template=TEMPLATE.removeprefix("{{ bos_token }}"))
    assert spelt(prompt.tokens).startswith("user I like")


def test_what_the_assistant_has_begun_to_say_is_left_open():
    said = [*CHAT["conversations"][0], {"role": "assistant", "content": "Yes I like {THING}"}]
    answers = {"right": ["Yes"], "prefix": " "}
    positions = {"THING": {"slot": "THING", "occurrence": 2}}
    (prompt,) = prompts(1, conversations=[said], positions=positions, answers=answers)
    assert spelt(prompt.tokens).endswith("<end> assistant Yes I like " + spelt(prompt.tokens[-1:]))
    assert prompt.positions["THING"] == prompt.positions["END"]


def test_conversations_take_turns_and_have_templates_of_their_own():
    more = [{"role": "system", "content": "be kind"}, {"role": "user", "content": "Do you like {THING}"}]
    one, two, three = prompts(3, conversations=[*CHAT["conversations"], more])
    assert spelt(two.tokens).startswith("<s> system be kind <end> user Do you like")
    assert one.template == three.template != two.template


def test_the_same_seed_gives_the_same_prompts_and_a_longer_draw_begins_with_the_shorter():
    assert prompts(6) == prompts(9)[:6]
    assert len({tuple(prompt.text for prompt in prompts(9, seed)) for seed in range(4)}) > 1


def test_names_draws_and_extent_are_known_from_text_alone():
    generator = GENERATORS["chat"]
    names = generator.names(source())
    assert (names.positions, names.corruptions, names.has_wrong_answers) == ({"THING", "END"}, {"you"}, True)
    assert generator.draws(source()) == "seeded"
    assert generator.extent(source()) == Extent(prompts=None, tokens=5 + CHAT_TEMPLATE, answers=1, layouts=4)


def test_a_model_without_a_chat_template_is_refused_with_what_to_change():
    with pytest.raises(Refused, match="states no chat template .* write the prompts with `template`"):
        prompts(1, template=None)


def test_a_model_with_a_chat_template_takes_plain_prompts_as_they_are_written():
    plain = {"generator": "pairs", "prompts": [{"prompt": "I like", "right": ["cats"]}]}
    (prompt,) = prompts_of(GENERATORS["pairs"].source.from_json(plain), vocabulary(), None)
    assert spelt(prompt.tokens) == "<s> I like"
    with pytest.raises(Refused, match="'<end>' is unknown to the tokenizer or special"):
        plain["prompts"][0]["prompt"] = "I like <end>"
        list(prompts_of(GENERATORS["pairs"].source.from_json(plain), vocabulary(), None))


def test_a_message_may_hold_no_control_token():
    with pytest.raises(Refused, match="'<end>' is unknown to the tokenizer or special; use other words"):
        prompts(1, conversations=[[{"role": "user", "content": "I like<end> {THING}"}]])


def test_a_message_that_the_chat_template_leaves_out_is_refused():
    quiet = "{% for message in messages if message['role'] != 'system' %}{{ message['content'] }}{% endfor %}"
    said = [{"role": "system", "content": "be kind"}, *CHAT["conversations"][0]]
    with pytest.raises(Refused, match="leaves a message out"):
        prompts(1, template=quiet, conversations=[said])


def test_words_that_the_chat_template_treats_otherwise_are_refused():
    picky = "{% for message in messages %}{{ message['content'] | replace('dogs', 'cats') }}{% endfor %}"
    with pytest.raises(Refused, match="does not take these words as they are"):
        prompts(2, template=picky)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"conversations": [[{"role": "user", "content": " I like {THING}"}]]}, "cut off spaces"),
        ({"conversations": [[{"role": "robot", "content": "I"}]]}, "conversations.0.0.role"),
        ({"positions": {"LIKE": {"word": "like"}}}, "name a slot"),
        ({"conversations": [[{"role": "user", "content": "I like"}]]}, "may lack it"),
        ({"conversations": [[{"role": "user", "content": "{IT}"}]]}, "the slot {IT} is not under slots"),
    ],
)
def test_what_fits_no_model_is_refused_at_once(changes, message):
    with pytest.raises(Invalid, match=message):
        source(**changes)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ 'a' * 10000000000 }}", "MemoryError"),
        ("{{ 'a' * 1000000 }}", "it makes 1000000 letters"),
        ("{{ cycler.__init__.__globals__.os.popen('id').read() }}", "SecurityError"),
        ("{{ raise_exception('roles must alternate') }}", "roles must alternate"),
        ("{% if", "TemplateSyntaxError"),
        ("{{ eos_token }}", "uses eos_token: a model's document states no end token"),
        ("{{ strftime_now('%d') }}", "prompts would be others on other days"),
    ],
)
def test_a_chat_template_that_does_not_render_is_refused_with_the_reason(template, message):
    assert message in refusal(template)


def test_a_chat_template_that_never_ends_is_stopped(monkeypatch):
    monkeypatch.setattr(chat_rendering, "RENDERING", 0.3)
    loop = "{% for i in range(100000) %}" * 3 + "{% endfor %}" * 3
    begun = monotonic()
    assert "uses up the memory or the time" in refusal(loop)
    assert monotonic() - begun < 20


def test_a_model_without_bos_has_none_to_write():
    assert "the model's document states none; state bos" in refusal(TEMPLATE, bos=None)


def test_a_chat_template_sees_nothing_of_the_worker(monkeypatch):
    """The process that renders it is given no setting and no secret."""
    monkeypatch.setenv("EVIDENCE_SECRET", "5ec7e7")
    before = {*CHILDREN.read_text().split()}
    with chat_renderer("{{ messages | length }}{{ environ }}", None) as render:
        (process,) = {*CHILDREN.read_text().split()} - before
        assert render(HELLO) == "1"
        assert {*Path(f"/proc/{process}/environ").read_text().strip("\0").split("\0")} == {
            "LANG=C.UTF-8",
            "HF_HUB_OFFLINE=1",
        }


def test_the_process_ends_with_the_draw():
    before = CHILDREN.read_text()
    drawing = GENERATORS["chat"].generate(source(), vocabulary("{{ messages[0]['content'] }}<end>"), 0)
    next(drawing)
    assert CHILDREN.read_text() != before
    drawing.close()
    assert CHILDREN.read_text() == before


@pytest.mark.checkpoints
def test_a_real_tokenizer_and_a_made_up_chat_template():
    stated = Model.read((CHECKED / "models/stories260k-in-dialogue.json").read_text())
    tokenizer = Tokenizer.from_file(str(Path(os.environ["CHECKPOINTS"]) / "stories260K/tokenizer.json"))
    prompts = Behavior.read((CHECKED / "behaviors/answering-a-child.json").read_text()).prompts["default"]
    asked, lost = islice(prompts_of(prompts, vocabulary_of(tokenizer, stated), "5eed"), 2)
    assert asked.text.endswith('" said Tim. His mom said, "Yes, you can have the')
    assert lost.text.endswith('" said Tim. His mom said, "I do not know. Let us look for the')
    assert asked.tokens[0] == 1 and 1 not in asked.tokens[1:]
    assert asked.tokens[asked.positions["THING"]] != asked.corrupted["other-thing"][asked.positions["THING"]]
