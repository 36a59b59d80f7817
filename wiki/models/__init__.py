"""What is stored. Entries and revisions are the truth; findings, claims, nodes and edges are projected from them."""

from wiki.models.claim import Claim, Expectation, Measurement, Outcome, Population, Withdrawal
from wiki.models.entry import Entry, Kind, Revision
from wiki.models.finding import BadgeState, Edge, Finding, Node
from wiki.models.people import StewardLink
from wiki.models.run import Run, RunState, Worker

__all__ = [
    "BadgeState",
    "Claim",
    "Edge",
    "Entry",
    "Expectation",
    "Finding",
    "Kind",
    "Measurement",
    "Node",
    "Outcome",
    "Population",
    "Revision",
    "Run",
    "RunState",
    "StewardLink",
    "Withdrawal",
    "Worker",
]
