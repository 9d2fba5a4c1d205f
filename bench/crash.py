"""Does the index lose anything? Kills, power cuts and failing disks, with figures at the end.

    python bench/crash.py --rounds 500

Kills a writing process at a random moment, opens what it left and compares it with what was
acknowledged, so many times; then cuts the power at every moment of a recorded day, and fails
every operation of that day. Exits 1 if a document was lost, came back or came twice, or if any
fsync of the code turns out to be needless.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The processes that are killed import the same modules, which are those of the tests.
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
sys.path.insert(0, str(ROOT))

from tests.index.faults import Faults  # noqa: E402
from tests.index.kills import Kills  # noqa: E402
from tests.index.replay import Replay  # noqa: E402

TORN = 4


def main() -> None:
    parser = argparse.ArgumentParser(description="kills, power cuts and failing disks")
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    logging.getLogger("spladed").addHandler(logging.NullHandler())  # failures are meant here
    sound = [kills(arguments.rounds, arguments.seed), power_cuts(), faults()]
    sys.exit(0 if all(sound) else 1)


def kills(rounds: int, seed: int) -> bool:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="spladed-crash-") as folder:
        run = Kills(Path(folder), seed)
        run.run(rounds)
    figures = run.figures
    print(f"kills: {figures.rounds} rounds, {time.monotonic() - began:.0f} s")
    print(f"  writes acknowledged       {figures.acknowledged}")
    print(f"  in flight, came whole     {figures.came_through}")
    print(f"  killed while opening      {figures.opens_killed}")
    print(f"  flushes and merges        {figures.exchanges}")
    for name, count in sorted(figures.seen.items()):
        print(f"  {name + ' acknowledged':26}{count}")
    print(f"  backups restored          {figures.backups}")
    print(f"  documents lost            {figures.lost}")
    print(f"  ghosts                    {figures.ghosts}")
    _print_all(figures.problems)
    return figures.is_sound


def power_cuts() -> bool:
    began = time.monotonic()
    replay = Replay()
    try:
        problems = replay.faults(TORN)
        opened = replay.opened
        needless = [site for site, syncs in replay.sites.items() if not replay.is_needed(syncs)]
    finally:
        replay.close()
    print(f"power cuts: {len(replay.events)} events recorded, {time.monotonic() - began:.0f} s")
    print(f"  different disks opened    {opened}")
    print(f"  not what was acknowledged {len(problems)}")
    print(f"  fsyncs in the code        {len(replay.sites)}, needless {len(needless)}")
    _print_all(problems)
    _print_all(needless)
    return not problems and not needless


def faults() -> bool:
    began = time.monotonic()
    run = Faults()
    try:
        problems = list(run.problems(every=True))
    finally:
        run.close()
    print(f"failing disk: {run.count} faults, {time.monotonic() - began:.0f} s")
    print(f"  operations refused        {run.refused}, the others did without")
    print(f"  not what was acknowledged {len(problems)}")
    _print_all(problems)
    return not problems


def _print_all(problems: list[str]) -> None:
    for problem in problems[:20]:
        print(f"  ! {problem[:400]}")


if __name__ == "__main__":
    main()
