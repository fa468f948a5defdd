"""Says, at each model that a run makes, how many it has made before are still alive; then trains by the arguments.

python live_models.py SETTINGS: `python -m timepro_lit.train SETTINGS`
"""

from __future__ import annotations

import weakref
from typing import Any

from timepro_lit.lalm.base import LALM
from timepro_lit.train import main

alive: weakref.WeakSet[LALM] = weakref.WeakSet()
make = LALM.__init__


def watched(self: LALM, *arguments: Any, **named: Any) -> None:
    print(f"models alive: {len(alive)}", flush=True)
    make(self, *arguments, **named)
    alive.add(self)


if __name__ == "__main__":
    LALM.__init__ = watched  # type: ignore[method-assign]
    main()
