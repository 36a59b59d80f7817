"""Small tokenizers whose tokens a person can count: one token per word, and words in pieces."""

from tokenizers import Tokenizer, models, pre_tokenizers

from workers.engine.documents.model import Model
from workers.engine.prepare import vocabulary_of
from workers.engine.prompts import Vocabulary

BOS = 1


def word_tokenizer(words: str) -> Tokenizer:
    """One token per word: <pad> 0, <s> 1, <unk> 2, then the words in their order."""
    ids = {word: token for token, word in enumerate(["<pad>", "<s>", "<unk>", *words.split()])}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens(["<pad>", "<s>", "<unk>"])
    return tokenizer


def piece_tokenizer(pieces: str) -> Tokenizer:
    """Words in pieces: "Alex ##ander" makes two tokens of Alexander."""
    ids = {piece: token for token, piece in enumerate(["<pad>", "<s>", "<unk>", *pieces.split()])}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def model(
    size: int = 50, positions: int = 32, tokenizer: bool = True, bos: int | None = BOS, **changes: object
) -> Model:
    """A model document with these dimensions; its weights are nowhere."""
    dimensions = {"layers": 2, "heads": 2, "key_value_heads": 2, "d_model": 8, "d_head": 4, "d_mlp": 16}
    document = {
        "slug": "hand",
        "title": "By hand",
        "weights": {"weights_sha256": "sha256:" + "0" * 64},
        "family": "gpt2",
        "tokenizer_sha256": "sha256:" + "1" * 64 if tokenizer else None,
        "bos": bos,
        "chat_template": None,
        "dimensions": {**dimensions, "vocabulary": size, "positions": positions},
    }
    return Model.from_json({**document, **changes})


def words_vocabulary(words: str, bos: int | None = BOS, positions: int = 32) -> Vocabulary:
    tokenizer = word_tokenizer(words)
    return vocabulary_of(tokenizer, model(tokenizer.get_vocab_size(), positions, bos=bos))


def pieces_vocabulary(pieces: str, bos: int | None = BOS) -> Vocabulary:
    tokenizer = piece_tokenizer(pieces)
    return vocabulary_of(tokenizer, model(tokenizer.get_vocab_size(), bos=bos))
