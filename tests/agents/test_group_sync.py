"""One sync serves all who wait for the disk."""

import threading

import pytest

pytest.importorskip("sqlalchemy")

from reid_al_agents.log import group_sync
from reid_al_agents.log.events import Event
from reid_al_agents.log.group_sync import GroupSync
from reid_al_agents.log.store import EventStore
from reid_al_env import InputError


class Disk:
    """Counts the syncs; each waits until it is let go."""

    def __init__(self):
        self.begun, self.go = threading.Semaphore(0), threading.Semaphore(0)
        self.syncs = 0

    def sync(self, path):
        self.syncs += 1
        self.begun.release()
        assert self.go.acquire(timeout=20)


@pytest.fixture
def disk(monkeypatch):
    disk = Disk()
    monkeypatch.setattr(group_sync, "_sync", disk.sync)
    return disk


def test_who_commits_during_a_sync_waits_for_the_next_one_and_shares_it(disk, tmp_path):
    group = GroupSync(tmp_path / "log")
    returned = []

    def write(name):
        group.wrote()
        group.wait()
        returned.append(name)

    first = threading.Thread(target=write, args=("first",))
    first.start()
    assert disk.begun.acquire(timeout=20)
    group.wrote()  # committed while the first sync is under way, which may have missed them
    group.wrote()
    later = [threading.Thread(target=lambda: (group.wait(), returned.append("later"))) for _ in range(5)]
    for thread in later:
        thread.start()
    disk.go.release()
    first.join(20)
    assert disk.begun.acquire(timeout=20)
    assert returned == ["first"]
    disk.go.release()
    for thread in later:
        thread.join(20)
    assert sorted(returned) == ["first", *["later"] * 5]
    assert disk.syncs == 2


def test_nothing_new_needs_no_sync(disk, tmp_path):
    GroupSync(tmp_path / "log").wait()
    assert disk.syncs == 0


def test_a_sync_that_fails_is_tried_again(monkeypatch, tmp_path):
    def fail(path):
        raise OSError(28, "No space left on device")

    with EventStore(tmp_path / "events.sqlite") as store:
        store.append(event("one"), wait=False)
        with monkeypatch.context() as full:
            full.setattr(group_sync, "_sync", fail)
            with pytest.raises(InputError, match=r"events\.sqlite: cannot be written \(No space left"):
                store.sync()
        synced = []
        monkeypatch.setattr(group_sync, "_sync", synced.append)
        store.sync()
        assert [path.name for path in synced] == ["events.sqlite-wal"]


def test_many_writers_lose_nothing(tmp_path):
    with EventStore(tmp_path / "events.sqlite") as store:

        def write(writer):
            for number in range(20):
                store.append(event(f"{writer}-{number:03d}"), wait=False)
                store.sync()

        threads = [threading.Thread(target=write, args=(f"writer{name}",)) for name in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        kept = store.events("run")
    with EventStore(tmp_path / "events.sqlite") as again:
        assert again.events("run") == kept
    assert len({each.key for each in kept}) == len(kept) == 120


def event(key):
    return Event(key, "run", "name", "anna", 1.7e9, payload={"image": 0, "name": key})
