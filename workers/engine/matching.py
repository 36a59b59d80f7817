"""The model that a measurement means: found, loaded, and compared with what is documented."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from workers.engine.documents.measurement import Identity
from workers.engine.documents.model import Hub, Local

if TYPE_CHECKING:
    from workers.engine.anatomy import Loaded


class Mismatch(ValueError):
    """The weights are not what the model's document says; the message says in what they differ."""


def load(identity: Identity, folders: Iterable[Path], device: str, dtype: str) -> Loaded:
    """Raises CannotLoad if the weights are not here or are refused, Mismatch if they are not as documented."""
    from workers.engine.checkpoint import CannotLoad, find_weights
    from workers.engine.loading import load_folder, load_hub

    match identity.weights:
        case Hub(repository=repository, commit=commit):
            loaded = load_hub(repository, commit, device, dtype)
        case Local(weights_sha256=wanted):
            searched = list(_with_subfolders(folders))
            folder = find_weights(wanted, searched)
            if folder is None:
                names = ", ".join(map(str, folders)) or "none was given"
                raise CannotLoad(f"no checkpoint with the weights {wanted} in the folders of MODELS ({names})")
            loaded = load_folder(folder, device, dtype)
    differences = list(_differences(loaded, identity))
    if differences:
        raise Mismatch(f"the weights in {loaded.folder} are not as documented: {'; '.join(differences)}")
    return loaded


def _with_subfolders(folders: Iterable[Path]) -> Iterator[Path]:
    """A folder of fixtures holds its checkpoints one folder further down."""
    for folder in folders:
        yield folder
        if folder.is_dir():
            yield from sorted(path for path in folder.iterdir() if path.is_dir())


def _differences(loaded: Loaded, identity: Identity) -> Iterator[str]:
    documented = {"family": identity.family, "tokenizer": identity.tokenizer_sha256, **identity.dimensions.values()}
    found = {
        "family": loaded.family,
        "tokenizer": loaded.tokenizer_sha256,
        "layers": loaded.layers,
        "heads": loaded.heads,
        "key_value_heads": loaded.kv_heads,
        "d_model": loaded.d_model,
        "d_head": loaded.d_head,
        "d_mlp": loaded.d_mlp or 0,
        "vocabulary": loaded.vocabulary,
        "positions": loaded.positions,
    }
    for name, value in documented.items():
        if found[name] != value:
            yield f"{name} is {found[name]}, documented as {value}"
