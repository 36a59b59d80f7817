"""The engine's command line: `python -m workers.engine verify finding.json --models DIR`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workers.engine.measuring import Progress

CANNOT_RUN = 3


def main(arguments: list[str] | None = None) -> int:
    asked = _parser().parse_args(arguments)
    from workers.engine.documents.document import Invalid
    from workers.engine.prompts import Refused

    command: Callable[[argparse.Namespace], int] = asked.command
    try:
        return command(asked)
    except (Invalid, Refused) as error:
        return _cannot_run(error)
    except ValueError as error:
        if type(error).__name__ in ("CannotLoad", "Mismatch", "CannotEdit"):  # of modules that need torch
            return _cannot_run(error)
        raise


def _cannot_run(error: Exception) -> int:
    print(error, file=sys.stderr)
    return CANNOT_RUN


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m workers.engine", description="Re-run a finding's evidence.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_verify(commands)
    _add_measure(commands)
    _add_convert(commands)
    pin = commands.add_parser("pin", help="write the revisions of a finding's neighbors into it")
    pin.add_argument("file", type=Path, metavar="FILE")
    pin.set_defaults(command=_pin)
    schema = commands.add_parser("schema", help="print a document kind's JSON Schema")
    schema.add_argument("kind", metavar="KIND")
    schema.set_defaults(command=_schema)
    serve = commands.add_parser("serve", help="answer measurement requests as JSON lines (the worker's child)")
    serve.set_defaults(command=_serve)
    device = commands.add_parser("device", help="what this machine measures on")
    device.add_argument("--device", default="cpu")
    device.add_argument("--json", action="store_true", help="for machines")
    device.set_defaults(command=_device)
    return parser


def _add_verify(commands: Any) -> None:
    verify = commands.add_parser(
        "verify",
        help="measure and judge a finding's claims",
        description="Exit status: 0 all hold, 1 something fails, 2 something is undecided, 3 something cannot run.",
    )
    verify.add_argument("file", type=Path, metavar="FILE", help="a bundle, or a finding with its neighbors' folders")
    verify.add_argument("--claim", metavar="ID", help="only this one; no badge then")
    _add_machine(verify)
    verify.set_defaults(command=_verify)


def _add_measure(commands: Any) -> None:
    measure = commands.add_parser("measure", help="a sweep without a claim: a table, no verdict")
    measure.add_argument("file", type=Path, nargs="?", metavar="FILE", help="a finding, for its behavior and model")
    measure.add_argument("--behavior", type=Path, metavar="FILE")
    measure.add_argument("--model", type=Path, metavar="FILE")
    measure.add_argument("--technique", required=True)
    measure.add_argument("--spec", required=True, metavar="JSON", help='e.g. {"metric": "logit_diff", …}')
    measure.add_argument("--seed", metavar="HEX", help="of the prompts; the public draw without it")
    measure.add_argument("--prompts", type=int, default=64, metavar="N")
    measure.add_argument("--dtype", help="bfloat16 or float16: compared with float32 on a sample (the model's own)")
    _add_machine(measure)
    measure.set_defaults(command=_measure)


def _add_convert(commands: Any) -> None:
    convert = commands.add_parser("convert", help="write a TransformerLens state dict as a checkpoint")
    convert.add_argument("file", type=Path, metavar="FILE", help="saved with torch.save; read with weights_only")
    convert.add_argument("--config", type=Path, required=True, metavar="FILE", help="its config, as JSON")
    convert.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="a new one")
    convert.set_defaults(command=_convert)


def _add_machine(command: argparse.ArgumentParser) -> None:
    command.add_argument("--models", type=Path, action="append", default=[], metavar="DIR", help="also: MODELS=")
    command.add_argument("--device", default="cpu")
    command.add_argument("--json", action="store_true", help="for machines")


def _verify(asked: argparse.Namespace) -> int:
    from workers.engine.environment import make_deterministic
    from workers.engine.neighbors import bundle_of
    from workers.engine.printing import for_machines, for_people
    from workers.engine.verify import verify

    make_deterministic()
    bundle = bundle_of(asked.file)
    known = [claim.id for claim in bundle.finding.claims if claim.runnable]
    if asked.claim is not None and asked.claim not in known:
        return _cannot_run(ValueError(f"no claim {asked.claim!r} that can be run; the finding has {', '.join(known)}"))
    found = verify(bundle, _folders(asked), asked.device, _watch, asked.claim, _command())
    if asked.json:
        print(json.dumps(for_machines(found), indent=2, ensure_ascii=False))
    else:
        print("\n".join(for_people(found)))
    return found.exit_status


def _measure(asked: argparse.Namespace) -> int:
    from workers.engine.documents.behavior import Behavior
    from workers.engine.documents.canonical import parse
    from workers.engine.documents.model import Model
    from workers.engine.environment import make_deterministic
    from workers.engine.neighbors import bundle_of, document
    from workers.engine.sweep import sweep

    make_deterministic()
    if asked.file is not None:
        bundle = bundle_of(asked.file)
        behavior, model = bundle.behavior, bundle.model
    elif asked.behavior is not None and asked.model is not None:
        behavior, model = document(asked.behavior, Behavior), document(asked.model, Model)
    else:
        return _cannot_run(ValueError("name a finding, or both --behavior and --model"))
    found = sweep(
        behavior,
        model,
        asked.technique,
        parse(asked.spec),
        asked.seed,
        asked.prompts,
        _folders(asked),
        asked.device,
        _watch("sweep"),
        asked.dtype,
    )
    print(json.dumps(found.values(), indent=2) if asked.json else "\n".join(found.lines()))
    return 0


def _convert(asked: argparse.Namespace) -> int:
    from workers.engine.convert import convert

    found = convert(asked.file, asked.config, asked.to)
    dropped = f"; left out, as no weights: {', '.join(found.dropped)}" if found.dropped else ""
    print(f"{found.folder}: {found.weights_sha256}{dropped}")
    return 0


def _pin(asked: argparse.Namespace) -> int:
    from workers.engine.neighbors import pinned

    asked.file.write_text(pinned(asked.file), encoding="utf-8")
    return 0


def _schema(asked: argparse.Namespace) -> int:
    from workers.engine.documents.kinds import DOCUMENTS

    if asked.kind not in DOCUMENTS:
        return _cannot_run(ValueError(f"{asked.kind!r} is no kind of document; known: {', '.join(DOCUMENTS)}"))
    print(json.dumps(DOCUMENTS[asked.kind].model_json_schema(), indent=2, ensure_ascii=False))
    return 0


def _serve(asked: argparse.Namespace) -> int:
    from workers.engine.serve import serve

    serve()
    return 0


def _device(asked: argparse.Namespace) -> int:
    from workers.engine.device import NoDevice, device_of

    try:
        found = device_of(asked.device)
    except NoDevice as error:
        return _cannot_run(error)
    print(json.dumps(asdict(found)) if asked.json else found)
    return 0


def _folders(asked: argparse.Namespace) -> list[Path]:
    named = [Path(name) for name in os.environ.get("MODELS", "").split(os.pathsep) if name]
    return [*asked.models, *named]


def _command() -> str:
    return " ".join(["python -m workers.engine", *sys.argv[1:]])


def _watch(words: str) -> Progress:
    """A progress bar on standard error, where there is somebody to see it."""
    from tqdm import tqdm

    bar = tqdm(desc=words, unit="prompt", leave=False, disable=None, file=sys.stderr)

    def tell(done: int, total: int, doing: str) -> None:
        bar.total = total
        bar.set_description(f"{words}: {doing}", refresh=False)
        bar.update(done - bar.n)
        if done == total:
            bar.clear()

    return tell


if __name__ == "__main__":
    sys.exit(main())
