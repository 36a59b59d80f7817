"""A worker without an engine: claims what waits and records numbers made by hand."""

from tests.wiki import documents
from wiki import actions
from wiki.models import Run, Worker


def worker(name: str = "worker@desk", loadable: tuple[str, ...] = (documents.WEIGHTS,), memory: int = 8_192) -> Worker:
    return actions.see_worker(name, actions.Ability(loadable, memory, "cpu"))


def work_off(right: int = 64, spoilt: int = 0) -> list[Run]:
    """Every waiting run, finished with the same numbers."""
    done, here = [], worker()
    while (run := actions.claim_run(here)) is not None:
        assert actions.record_numbers(run, documents.measured(run, right, spoilt))
        done.append(run)
    return done
