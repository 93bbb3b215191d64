"""Many people at the annotation server at once, and how long one person waits, also beside a refresh."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from recording import new_table, run, show, write_result

from reid_al_agents.annotate.server.serving import free_port

# The server closes a connection after five idle seconds, as httpx does: whichever is first. A request that is
# sent at that moment is lost; a browser sends it again, httpx does not.
_LIMITS = httpx.Limits(keepalive_expiry=2.0)

DATA = "synthetic:pedestrians-target?identities=150"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument(
        "--think",
        type=float,
        default=0.8,
        help="mean seconds between two answers of a person; 50 people ask for 50 / THINK answers a second",
    )
    parser.add_argument("--alone", type=int, default=200, help="answers of one person, for the wait")
    parser.add_argument(
        "--beside", type=int, default=200, help="answers of one person beside a refresh, for the wait"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object")
    parser.add_argument("--out", type=Path, help="keep the figures there")
    options = parser.parse_args()
    figures = asyncio.run(measure(options))
    if options.out is not None:
        settings = {
            name: getattr(options, name) for name in ("people", "seconds", "think", "alone", "beside")
        }
        write_result(options.out, (options.seed,), settings, figures)
    if options.json:
        print(json.dumps(figures))
        return
    table = new_table(
        "Annotation server on loopback", ("who",), ("answers", "p50 ms", "p95 ms", "p99 ms", "errors")
    )
    for who in ("alone", "beside_refresh", "crowd"):
        line = figures[who]
        quantile = [str(line[f"p{q}_ms"]) for q in (50, 95, 99)]
        table.add_row(who, str(line["answers"]), *quantile, str(len(line["errors"])))
    show(table)
    crowd = figures["crowd"]
    print(f"{crowd['answers_per_second']} answers/s, {crowd['server_cpu_ms_per_answer']} ms of CPU each")
    print(f"{crowd['pairs_given_to_two']} of {crowd['pairs_given']} pairs were given to two people")


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    with running(options.seed, "--refresh", "none") as (base, _):
        await wait_until_ready(base)
        alone = await one_person(base, options.alone)
    with running(options.seed, "--refresh-every", "0") as (base, _):
        await wait_until_ready(base)
        beside = await beside_a_refresh(base, options.beside)
    with running(options.seed, "--refresh", "none") as (base, process):
        await wait_until_ready(base)
        before = cpu_seconds(process)
        crowd = await many_people(base, options)
        spent = cpu_seconds(process) - before
        crowd["server_cpu_ms_per_answer"] = round(1000 * spent / crowd["answers"], 1)
    return {"data": DATA, "alone": alone, "beside_refresh": beside, "crowd": crowd}


@contextlib.contextmanager
def running(seed: int, *more: str) -> Iterator[tuple[str, int]]:
    """A server's address and process."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port("127.0.0.1", 0)
        server = serve(Path(folder), port, seed, more)
        try:
            yield f"http://127.0.0.1:{port}", server.pid
        finally:
            server.terminate()
            server.wait()


def serve(
    folder: Path, port: int, seed: int, refresh: Sequence[str] = ("--refresh", "none")
) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "reid_al_agents.cli", "annotate", DATA, "--out", str(folder / "session")]
    settings = ["--backbone", "small_cnn", "--size", "64x32", "--no-adapt", "--gold-share", "0", *refresh]
    where = ["--port", str(port), "--no-open", "--seed", str(seed)]
    return subprocess.Popen([*command, *settings, *where], stderr=subprocess.DEVNULL)


def cpu_seconds(process: int) -> float:
    """Processor time of a process so far; unlike a clock it does not depend on what else the machine does."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def wait_until_ready(base: str) -> None:
    async with httpx.AsyncClient(base_url=base) as client:
        for _ in range(3000):
            try:
                person = Person(client, "probe")
                await person.enter()
                await person.refill()
                if person.hand:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.2)
    raise SystemExit("the server did not start")


class Person:
    """Answers as the page does: some questions in hand, more with every answer."""

    def __init__(self, client: httpx.AsyncClient, name: str) -> None:
        self.client, self.name = client, name
        self.hand: list[dict[str, Any]] = []
        self.waits: list[float] = []
        self.errors: list[str] = []
        self.shown: dict[str, tuple[int, int]] = {}  # by question, less those that were withdrawn

    async def enter(self) -> None:
        """Sign in."""
        self.headers = {"Origin": str(self.client.base_url).rstrip("/")}
        reply = await self.client.post("/api/sign-in", json={"name": self.name}, headers=self.headers)
        self.headers["X-CSRF-Token"] = reply.json()["csrf"]

    async def refill(self) -> None:
        """Ask for questions."""
        reply = await self.client.post("/api/questions", json={"count": 4}, headers=self.headers)
        if self._refused(reply):
            return
        self._take(reply.json()["questions"])

    def _refused(self, reply: httpx.Response) -> bool:
        if reply.status_code == 200:
            return False
        self.errors.append(f"{reply.status_code} {reply.text[:200]}")
        return True

    def _take(self, questions: list[dict[str, Any]]) -> None:
        held = {question["id"] for question in self.hand}
        for question in questions:
            if question["id"] not in held:
                self.hand.append(question)
                if question["kind"] == "policy":  # a pair in doubt is meant to be asked again
                    self.shown[question["id"]] = question["query"]["id"], question["candidate"]["id"]

    async def answer(self, look: bool = False) -> None:
        """Answer the first question in hand; ``look`` also fetches the next picture."""
        question = self.hand.pop(0)
        body = {
            "question": question["id"],
            "answer": "same" if (question["probability"] or 0) > 0.5 else "different",
            "key": uuid.uuid4().hex,
            "want": 4,
            "have": [other["id"] for other in self.hand],
        }
        started = time.perf_counter()
        reply = await self.client.post("/api/answers", json=body, headers=self.headers)
        if self._refused(reply):
            return
        got = reply.json()
        gone = set(got["withdrawn"])
        for withdrawn in gone:
            self.shown.pop(withdrawn, None)
        self.hand = [other for other in self.hand if other["id"] not in gone]
        self._take(got["questions"])
        if look and got["questions"]:
            await self.client.get(got["questions"][-1]["candidate"]["url"])
        self.waits.append(time.perf_counter() - started)


async def one_person(base: str, answers: int) -> dict[str, Any]:
    """From the answer to the bytes of a picture that was never fetched before; nothing is preloaded."""
    async with httpx.AsyncClient(base_url=base, timeout=30) as client:
        person = Person(client, "alone")
        await person.enter()
        while len(person.waits) < answers:
            if not person.hand:
                await person.refill()
                await asyncio.sleep(0 if person.hand else 0.05)
                continue
            await person.answer(look=True)
    return {"answers": answers, **quantiles(person.waits), "errors": person.errors}


async def beside_a_refresh(base: str, answers: int) -> dict[str, Any]:
    """As :func:`one_person`, by a person who thinks for half a second, while the model learns all the time.

    Answers that were given while it did not are left out.
    """
    async with httpx.AsyncClient(base_url=base, timeout=30) as client:
        person = Person(client, "beside")
        await person.enter()
        waits: list[float] = []
        for _ in range(20):  # something to learn from
            if not person.hand:
                await person.refill()
            if person.hand:
                await person.answer()
        person.waits.clear()
        while len(waits) < answers:
            if not await learns(person):
                await client.post("/api/refresh", json={"key": uuid.uuid4().hex}, headers=person.headers)
            if not person.hand:
                await person.refill()
                await asyncio.sleep(0 if person.hand else 0.05)
                continue
            await asyncio.sleep(0.5)
            during = await learns(person)
            await person.answer(look=True)
            if during and await learns(person):
                waits += person.waits[-1:]
    return {"answers": len(waits), **quantiles(waits), "errors": person.errors}


async def learns(person: Person) -> bool:
    """Whether the model is learning."""
    refresh = (await person.client.get("/api/status")).json()["refresh"]
    return refresh is not None and refresh["state"] == "running"


async def many_people(base: str, options: argparse.Namespace) -> dict[str, Any]:
    people: list[Person] = []

    async def work(number: int) -> None:
        rng = np.random.default_rng([options.seed, number])
        async with httpx.AsyncClient(base_url=base, timeout=60, limits=_LIMITS) as client:
            person = Person(client, f"person{number}")
            people.append(person)
            await person.enter()
            end = time.perf_counter() + options.seconds
            while time.perf_counter() < end:
                if not person.hand:
                    await person.refill()
                await asyncio.sleep(float(rng.exponential(options.think)))
                if person.hand:
                    await person.answer()

    await asyncio.gather(*(work(number) for number in range(options.people)))
    seen: dict[tuple[int, int], set[str]] = defaultdict(set)
    for person in people:
        for a, b in person.shown.values():
            seen[min(a, b), max(a, b)].add(person.name)
    waits = [wait for person in people for wait in person.waits]
    return {
        "people": options.people,
        "seconds": options.seconds,
        "think_seconds": options.think,
        "answers": len(waits),
        "answers_per_second": round(len(waits) / options.seconds, 1),
        **quantiles(waits),
        "errors": [error for person in people for error in person.errors],
        "pairs_given_to_two": sum(len(names) > 1 for names in seen.values()),
        "pairs_given": len(seen),
    }


def quantiles(waits: list[float]) -> dict[str, float]:
    milliseconds = 1000 * np.array(waits)
    return {f"p{q}_ms": round(float(np.percentile(milliseconds, q)), 1) for q in (50, 95, 99)}


if __name__ == "__main__":
    run(main)
