"""A model: which weights exactly, how text becomes its tokens, and its dimensions."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from workers.engine.documents.document import Document, Later, Prose, Sha256, Slug, Title, Words
from workers.engine.documents.reference import References

Repository = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*$", max_length=200)]
Commit = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]


Precision = Literal["float32", "bfloat16", "float16"]


class Hub(Document):
    """A model hub's repository at one commit."""

    repository: Repository
    commit: Commit


class Local(Document):
    """A checkpoint found by its weights in the folders a worker is given.

    weights_sha256: of `model.safetensors`, or of the sorted lines `sha256  name` of its shards.
    """

    weights_sha256: Sha256


class Dimensions(Document):
    layers: int = Field(ge=1)
    heads: int = Field(ge=1)
    key_value_heads: int = Field(ge=1)
    d_model: int = Field(ge=1)
    d_head: int = Field(ge=1)
    d_mlp: int = Field(ge=0)
    vocabulary: int = Field(ge=1)
    positions: int = Field(ge=1)


class Model(Document):
    """bos: the token id put before every prompt, or null for none. dimensions_from: "config" if a worker read them.

    dtype: what it is measured in; half precision is compared with float32 on a sample of every run's prompts, for which
    the model is loaded in both.
    """

    kind: Literal["model"] = "model"
    slug: Slug
    title: Title
    summary: Words = ""
    weights: Hub | Local
    family: Slug | Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,40}$")]
    tokenizer_sha256: Sha256 | None
    bos: int | None = Field(ge=0)
    chat_template: Annotated[str, StringConstraints(max_length=20_000)] | None
    dimensions: Dimensions
    dimensions_from: Words = "config"
    dtype: Annotated[Precision, Later()] = "float32"
    licence: Words = ""
    references: References = ()
    body: Prose = ""
