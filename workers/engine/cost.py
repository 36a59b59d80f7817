"""What one run of a measurement costs at most, estimated from its documents alone: no weights, no tokenizer, no torch.

An upper estimate: all looks are taken, every edit changes the whole prompt from the first layer on, and where the
documents leave something open (the tokens of a text, whether an MLP is gated) it is the larger.
"""

from __future__ import annotations

from dataclasses import dataclass

from workers.engine.batches import BUDGET, MOST_PROMPTS
from workers.engine.documents.measurement import Measurement, RandomSets
from workers.engine.documents.model import Dimensions
from workers.engine.extent import AT_ONCE, Arms, Prompts, arms_of, prompts_of
from workers.engine.judge import LOOKS

TERA = 1e12
MEBIBYTE = 2**20
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}

CHECKED_PROMPTS, CHECKED_ARMS, CHECKS = 8, 16, 3
IN_FLIGHT = 160 * MEBIBYTE
METRICS_KEPT = 5

# Beside the arithmetic, on one slow core: see `python -m benchmarks.cost`.
LIBRARIES = 600  # MiB
SECONDS_TO_BEGIN = 10.0  # torch is imported
SECONDS_PER_CALL = 1e-3  # of one layer, for a batch
SECONDS_PER_WRITE = 2e-4  # of one place edited, for a batch
SECONDS_PER_PROMPT = 2e-3  # made, tokenized, checked, hashed
BYTES_LOADED_PER_SECOND = 1e8


@dataclass(frozen=True)
class Cost:
    """What one draw takes at most.

    prompts: of the last look, or of the control. tokens: of one prompt. edits: runs of the model for each prompt,
    untouched ones among them. passes: all runs of single prompts, those of fits and checks too. operations: floating
    point, 2 for each parameter and token, and attention's. memory: MiB, of weights, batches and libraries.
    overhead: seconds beside the arithmetic, on any device; nearly all there are where the model is tiny.
    """

    prompts: int
    tokens: int
    edits: int
    passes: int
    parameters: int
    operations: float
    memory: int
    overhead: float

    @property
    def tera(self) -> float:
        return self.operations / TERA


@dataclass(frozen=True)
class _Run:
    """A measurement's quantities side by side."""

    size: Dimensions
    dtype: str
    prompts: Prompts
    arms: Arms
    trial: bool  # random sets, whose settings keep their records from round to round

    @property
    def edits(self) -> int:
        return self.arms.edited + self.arms.untouched

    @property
    def fits(self) -> int:
        """How often the prompts of a fit are run."""
        return self.arms.fits * (1 if self.arms.all_alike else self.arms.rounds)


def cost_of(measurement: Measurement) -> Cost:
    size, trial = measurement.model.dimensions, isinstance(measurement.control, RandomSets)
    run = _Run(size, measurement.dtype, prompts_of(measurement), arms_of(measurement), trial)
    passes = _passes(run)
    return Cost(
        prompts=run.prompts.prompts,
        tokens=run.prompts.tokens,
        edits=run.edits,
        passes=passes,
        parameters=parameters_of(size),
        operations=float(passes * _operations_of_one_pass(size, run.prompts.tokens)),
        memory=LIBRARIES + weights_held(size, measurement.dtype) + -(-_bytes(run) // MEBIBYTE),
        overhead=_overhead(run),
    )


def seconds_of(cost: Cost, speed: float) -> float:
    """speed: floating-point operations a second that the device reaches on such a model."""
    return cost.overhead + cost.operations / speed


def sentence(cost: Cost) -> str:
    """In words: "at most 4,096 prompts × 9 edits × 0.9 M parameters, about 1.2 TFLOP and 1.1 GiB of memory"."""
    prompts, edits = _counted(cost.prompts, "prompt"), _counted(cost.edits, "edit")
    parameters = _scaled(cost.parameters, {"B": 1e9, "M": 1e6})
    memory = f"{cost.memory / 1024:,.1f} GiB of memory"
    return f"at most {prompts} × {edits} × {parameters} parameters, about {work(cost.operations)} and {memory}"


def work(operations: float) -> str:
    """Floating-point operations in words: "1.2 TFLOP"."""
    return _scaled(operations, {"PFLOP": 1e15, "TFLOP": TERA, "GFLOP": 1e9})


def parameters_of(size: Dimensions) -> int:
    """At most: MLPs gated, positions learned, biases, an unembedding of its own; dimensions tell none of these."""
    heads, keys = size.heads * size.d_head, size.key_value_heads * size.d_head
    attention = size.d_model * (2 * heads + 2 * keys) + heads + 2 * keys + size.d_model
    mlp = 3 * size.d_model * size.d_mlp + 2 * size.d_mlp + size.d_model
    norms = 4 * size.d_model
    ends = (2 * size.vocabulary + size.positions + 2) * size.d_model
    return size.layers * (attention + mlp + norms) + ends


def weights_of(size: Dimensions, dtype: str) -> int:
    """MiB that the parameters take, loaded."""
    return -(-parameters_of(size) * BYTES.get(dtype, 8) // MEBIBYTE)


def weights_held(size: Dimensions, dtype: str) -> int:
    """MiB of all copies: half precision is compared with single precision."""
    single = weights_of(size, "float32") if BYTES.get(dtype, 8) < BYTES["float32"] else 0
    return weights_of(size, dtype) + single


def record_bytes(size: Dimensions, tokens: int) -> int:
    """What the records of one prompt take, as `batches.prompts_at_once` counts them."""
    per_layer = 3 * size.d_model + (size.heads + 2 * size.key_value_heads) * size.d_head
    return 4 * (2 * tokens * size.layers * per_layer + size.heads * tokens**2)


def prompts_at_once(size: Dimensions, tokens: int) -> int:
    return max(1, min(MOST_PROMPTS, BUDGET // record_bytes(size, tokens)))


def _passes(run: _Run) -> int:
    """Of single prompts through the whole model; a layer that is run again counts as its share of one."""
    arms, layers = run.arms, run.size.layers
    again = 3 * arms.edited * arms.again  # read for its value, and twice to be compared
    of_one_prompt = arms.edited * arms.attentions + arms.untouched + -(-again // layers)
    checked = CHECKS * CHECKED_PROMPTS * min(of_one_prompt, (CHECKED_ARMS + arms.untouched) * arms.attentions + again)
    fitted = run.prompts.fitted * (run.fits + (-(-arms.edited * arms.again // layers) if arms.fits else 0))
    return run.prompts.prompts * of_one_prompt + checked + fitted


def _operations_of_one_pass(size: Dimensions, tokens: int) -> int:
    attention = 4 * size.layers * size.heads * size.d_head * tokens**2
    return 2 * parameters_of(size) * tokens + attention


def _overhead(run: _Run) -> float:
    """What Python and the starting of kernels take: for every layer of every batch, and every edit made in it."""
    prompts, arms = run.prompts, run.arms
    lengths = min(prompts.tokens, prompts.layouts)
    at_once = prompts_at_once(run.size, prompts.tokens)
    batches = -(-prompts.prompts // at_once) + lengths * len(LOOKS) + CHECKS
    of_fits = (-(-prompts.fitted // at_once) + prompts.layouts) * run.fits
    calls = (batches * run.edits * arms.attentions + of_fits) * run.size.layers + 3 * batches * arms.edited * arms.again
    writes = batches * arms.edited * arms.writes
    made = prompts.prompts + (prompts.fitted if arms.fits else 0)
    return (
        SECONDS_TO_BEGIN
        + parameters_of(run.size) * BYTES.get(run.dtype, 8) / BYTES_LOADED_PER_SECOND
        + calls * SECONDS_PER_CALL
        + writes * SECONDS_PER_WRITE
        + made * SECONDS_PER_PROMPT
    )


def _bytes(run: _Run) -> int:
    """What is held at once beside weights and libraries."""
    size, prompts, arms = run.size, run.prompts, run.arms
    tokens, at_once = prompts.tokens, min(prompts.prompts, prompts_at_once(size, prompts.tokens))
    held = prompts.prompts if run.trial else at_once
    records = 2 * held * record_bytes(size, tokens)  # clean, corrupted, donors, and what takes a place's value
    flight = IN_FLIGHT + record_bytes(size, tokens)
    checked = 2 * CHECKED_PROMPTS * min(arms.edited, CHECKED_ARMS)
    logits = 4 * prompts.answers * size.vocabulary * (6 * at_once + checked)
    logits += 4 * 3 * CHECKED_PROMPTS * tokens * size.vocabulary
    widest = max(3 * size.d_model, size.d_mlp, size.heads * tokens)
    kept_whole = 4 * min(arms.edited, AT_ONCE) * arms.again * at_once * tokens * widest
    sums = 8 * arms.fits * prompts.layouts * tokens * size.layers * (size.heads * size.d_head + 2 * size.d_model)
    numbers = 100 * METRICS_KEPT * prompts.prompts * (1 if run.trial else run.edits)
    texts = 600 * tokens * (prompts.prompts + prompts.fitted)
    return records + flight + logits + kept_whole + sums + numbers + texts


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _scaled(number: float, units: dict[str, float]) -> str:
    """In the largest unit that it fills, else in the smallest: "1.2 TFLOP"."""
    name, size = next((unit for unit in units.items() if number >= unit[1]), [*units.items()][-1])
    return f"{number / size:,.1f} {name}"
