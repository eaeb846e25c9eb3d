"""Kills the processes of a mail engine while clients send to it, and looks what became of it all.

Each round a process is killed at random, or two, or one and then its successor, perhaps while that
begins. Clients send messages of every form, to one mailbox or several, and again where they heard
no answer; some hang up before it, and some send again what was taken. After each kill, and again
once everybody is back:

* what got its 250 is on disk, exactly once in each of its mailboxes;
* whatever is seen in a mailbox is whole;
* nothing is left over under `spool/` and `placing/`;
* the hook of each message has run once; or, where the supervisor or the placer died over it, the
  log says that it was interrupted, and it has run once or not at all;
* no process said anything that was not foreseen.

The daemon's log stays where something failed.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from random import Random

from killing.daemon import ROLES, Daemon, are_gone
from killing.found import Shelves
from killing.load import Load

from aimx.testing.zone import Zone, serve_in_thread
from bench.instance import ground, until

ROUNDS = 50
BEFORE, AFTER = 20, 40  # So many messages are taken before a kill, and after the last one.
LONGEST_WAIT = 0.4  # Seconds before a kill, and before a second one.
AGAIN = 0.5  # Of the rounds have a second kill.


class Rounds:
    """One daemon, killed again and again, and what all of its clients were promised."""

    def __init__(self, daemon: Daemon, chance: Random, victims: tuple[str, ...]) -> None:
        self._daemon = daemon
        self._chance = chance
        self._victims = victims
        self._turns = _turns(victims, chance)
        self._shelves = Shelves(daemon)
        self._numbers = count(1)

    def one(self, number: int) -> Iterator[str]:
        """What was wrong in this round."""
        victims = [next(self._turns)]
        if self._chance.random() < AGAIN:
            victims.append(self._chance.choice((victims[0], *self._victims)))
        load = Load(self._daemon.port, self._numbers, f"{self._chance.random()}")
        with load:
            until(load.takes(BEFORE), "mail to be taken")
            for victim in victims:
                time.sleep(self._chance.uniform(0, LONGEST_WAIT))
                yield from self._killed(victim, load)
            until(load.takes(AFTER), "mail to be taken again")
        yield from self._settled(load)
        print(f"round {number}: {' and '.join(victims)}, {len(load.taken)} messages", flush=True)

    def _killed(self, victim: str, load: Load) -> Iterator[str]:
        if victim != "supervisor":
            self._daemon.kill(victim)
            yield from self._promised(load)
            return
        children = self._daemon.children()
        self._daemon.kill(victim)
        until(lambda: are_gone(children), "everybody to leave")
        yield from self._promised(load)
        self._daemon.start()

    def _promised(self, load: Load) -> Iterator[str]:
        taken = tuple(load.taken)  # Before we look: what is taken meanwhile may be seen or not.
        yield from self._shelves.look(load.begun)
        yield from self._shelves.missing(taken)

    def _settled(self, load: Load) -> Iterator[str]:
        """Now that nobody sends anything any more."""
        yield from load.refused
        yield from self._promised(load)
        yield from self._shelves.twice()
        try:
            until(lambda: not self._shelves.unfired(), "all hooks to run")
        except SystemExit:
            yield from (f"the hook of {stem} never ran" for stem in self._shelves.unfired())
        yield from self._shelves.misfired()
        until(lambda: "placer" in self._daemon.children().values(), "a placer")
        yield from (f"{path} is left over" for path in self._daemon.leftovers())
        if "Traceback" in self._daemon.log:
            yield "a process said what was not foreseen"


def _turns(victims: tuple[str, ...], chance: Random) -> Iterator[str]:
    """In any order, but nobody twice before everybody was once."""
    while True:
        yield from chance.sample(victims, len(victims))


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="./dev/kill-mail",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N")
    parser.add_argument("--seed", type=int, help="the same victims and messages as in that run")
    parser.add_argument("--victim", action="append", choices=ROLES, help="nobody else is killed")
    options = parser.parse_args()
    seed = Random().randrange(10**6) if options.seed is None else options.seed
    print(f"--rounds {options.rounds} --seed {seed}", flush=True)
    victims = tuple(options.victim or ROLES)
    with ground() as base, serve_in_thread(Zone({})) as resolver:
        daemon = Daemon(base, resolver)
        daemon.start()
        rounds = Rounds(daemon, Random(seed), victims)
        try:
            problems = told(rounds, options.rounds)
        finally:
            daemon.end()
        if problems:
            kept = Path(f"/tmp/aimx-kill-mail-{seed}.log")
            shutil.copyfile(daemon.instance.log_file, kept)
            print(f"The daemon's log is kept as {kept}.")
    print(f"{options.rounds} rounds, {problems} problems")
    return 1 if problems else 0


def told(rounds: Rounds, number: int) -> int:
    """Tell of each problem when it is found; gives how many there were."""
    problems = 0
    for each in range(1, number + 1):
        for problem in rounds.one(each):
            problems += 1
            print(f"  {problem}", flush=True)
    return problems


if __name__ == "__main__":
    sys.exit(main())
