"""Keys and their limits, with the clock in hand."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from spladed.errors import Exhausted, Unauthenticated
from spladed.rpc.gate import Caller, Gate
from spladed.rpc.key_file import Key, digest, read_keys, to_toml
from spladed.rpc.rules import RULES
from spladed.rpc.watched import Watched
from spladed.v1.encoder_pb2 import EncodeRequest, EncodeStreamRequest

ENCODE = RULES["spladed.v1.Encoder.Encode"]
STREAM = RULES["spladed.v1.Encoder.EncodeStream"]


class World:
    """A gate over a file of one key, and its clock."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "keys.toml"
        self.now = 0.0
        self.write()
        watched = Watched([str(self.file)], lambda: read_keys(str(self.file)), clock=self.clock)
        self.gate = Gate(watched, self.clock)

    def clock(self) -> float:
        return self.now

    def write(self, secret: str = "k", *, max_in_flight: int = 2, rate: float = 10.0) -> None:
        key = Key("key", digest(secret), frozenset({"read"}), max_in_flight, rate)
        self.file.write_text(to_toml(key))

    def enter(self, secret: str = "k") -> Caller:
        return self.gate.enter(ENCODE, [("authorization", f"Bearer {secret}")])


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_calls_in_flight_are_counted_and_given_back_however_they_end(world: World) -> None:
    with world.enter(), world.enter():
        with pytest.raises(Exhausted) as caught, world.enter():
            pass
        assert caught.value.reason == "KEY_IN_FLIGHT"
    with pytest.raises(ValueError, match="of the call"), world.enter():
        raise ValueError("of the call")
    with world.enter(), world.enter():
        pass


def test_what_is_in_flight_outlives_a_change_of_the_file(world: World) -> None:
    with world.enter(), world.enter():
        world.write("new", max_in_flight=3)
        world.now += 1
        with pytest.raises(Unauthenticated):
            world.enter("k")
        with world.enter("new"), pytest.raises(Exhausted), world.enter("new"):
            pass


def test_a_rate_comes_back_with_time(world: World) -> None:
    with world.enter() as caller:
        caller.spend(EncodeRequest(texts=["a"] * 15))
        with pytest.raises(Exhausted) as caught:
            caller.spend(EncodeRequest(texts=["a"]))
        assert caught.value.retry_after_seconds == pytest.approx(0.5)
        caller.spend(EncodeRequest())
        world.now += 0.6
        caller.spend(EncodeRequest(texts=["a"]))


def test_a_chunk_waits_for_its_turn(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        world.now += seconds + 1e-9

    monkeypatch.setattr(asyncio, "sleep", sleep)
    chunk = EncodeStreamRequest(request=EncodeRequest(texts=["a"] * 20))
    caller = world.gate.enter(STREAM, [("authorization", "Bearer k")])

    async def run() -> None:
        with caller:
            for _ in range(4):
                await caller.spend_in_time(chunk)

    asyncio.run(run())
    assert sum(waits) == pytest.approx(1.0 + 2.0 + 2.0, abs=0.01)


def test_without_keys_everybody_is_the_same_caller() -> None:
    gate = Gate.open("")
    assert gate.enter(ENCODE, None) is gate.enter(STREAM, [("authorization", "Bearer k")])
