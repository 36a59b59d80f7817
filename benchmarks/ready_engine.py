"""An engine that measures nothing: it answers each request at once, with numbers made before.

    python -m benchmarks.ready_engine NUMBERS

NUMBERS is a file with those of one real run. What a run then takes is what the queue takes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from workers.engine.documents.measurement import Measurement


def answer(request: dict[str, Any], numbers: dict[str, Any]) -> dict[str, Any]:
    measurement = Measurement.from_json(request["measurement"]).sha256
    asked = {"measurement": measurement, "draw": request["draw"], "seed": request["seed"]}
    return {"id": request["id"], "event": "numbers", "numbers": numbers | asked}


if __name__ == "__main__":
    made = json.loads(Path(sys.argv[1]).read_text())
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line), made)), flush=True)
