"""A disk as a power cut leaves it: what syncs have brought there, and any allowed part of what came later."""

import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Call:
    """A call as ``recorder.c`` notes it."""

    kind: str
    offset: int
    path: str
    content: bytes


@dataclass(eq=False)
class File:
    """What is on the disk of a file for certain, and what came since: bytes at an offset, or a length."""

    content: bytearray = field(default_factory=bytearray)
    later: list[tuple[int, bytes | None]] = field(default_factory=list)

    def sync(self) -> None:
        """Bring all to the disk."""
        for change in self.later:
            _change(self.content, *change)
        self.later.clear()

    def left(self, rng: np.random.Generator) -> bytes:
        """Return what a cut may leave."""
        content, later = bytearray(self.content), list(self.later)
        how = rng.choice(["nothing", "all", "torn", "any", "zeros"])
        sector = int(rng.choice([512, 4096]))
        if how == "nothing":
            later = []
        elif how == "torn":
            later = later[: rng.integers(len(later) + 1)]
            if later and later[-1][1]:
                offset, data = later.pop()
                end = (offset + int(rng.integers(len(data))) + 1) // sector * sector
                later.append((offset, data[: max(0, end - offset)]))
        elif how == "any":
            share = rng.random()
            kept = [part for change in later for part in _sectors(*change, sector) if rng.random() < share]
            later = [kept[i] for i in rng.permutation(len(kept))] if rng.random() < 0.5 else kept
        elif how == "zeros":
            later = [(offset, data and bytes(len(data))) for offset, data in later]
            later = [(offset, data) for offset, data in later if offset + len(data or b"") > len(content)]
        for change in later:
            _change(content, *change)
        return bytes(content)


def _change(content: bytearray, offset: int, data: bytes | None) -> None:
    missing = offset - len(content)
    if missing > 0:
        content.extend(bytes(missing))
    if data is None:
        del content[offset:]
    else:
        content[offset : offset + len(data)] = data


def _sectors(offset: int, data: bytes | None, sector: int) -> Iterator[tuple[int, bytes | None]]:
    if data is None:
        yield offset, None
        return
    place = offset
    while place < offset + len(data):
        end = min((place // sector + 1) * sector, offset + len(data))
        yield place, data[place - offset : end - offset]
        place = end


class Disk:
    """Files and their names: as the program sees them, and as they are on the disk."""

    def __init__(self) -> None:
        self.said = ""
        self._seen: dict[str, File] = {}
        self._names: dict[str, File] = {}
        self._later: defaultdict[str, list[dict[str, File | None]]] = defaultdict(list)

    def do(self, call: Call) -> None:
        """Do what was called."""
        file, other = self._seen.get(call.path), call.content.decode(errors="replace")
        match call.kind:
            case "A":
                self.said += other
            case "C" if file is None:
                self._name({call.path: File()})
            case "W" if file:
                file.later.append((call.offset, call.content))
            case "T" if file:
                file.later.append((call.offset, None))
            case "S" if file:
                file.sync()
            case "S":
                for change in self._later.pop(call.path, []):
                    _rename(self._names, change)
            case "R":
                self._name({call.path: None, other: file})
            case "L":
                self._name({other: file})
            case "U":
                self._name({call.path: None})

    def _name(self, change: dict[str, File | None]) -> None:
        _rename(self._seen, change)
        self._later[os.path.dirname(next(reversed(change))) or "."].append(change)  # noqa: PTH120

    def left(self, rng: np.random.Generator) -> dict[str, bytes]:
        """Return the files that a cut may leave, by name."""
        names = dict(self._names)
        for changes in self._later.values():
            for change in changes[: rng.integers(len(changes) + 1)]:
                _rename(names, change)
        contents = {file: file.left(rng) for file in dict.fromkeys(names.values())}
        return {name: contents[file] for name, file in names.items() if not name.endswith("-shm")}


def _rename(names: dict[str, File], change: dict[str, File | None]) -> None:
    for name, file in change.items():
        if file is None:
            names.pop(name, None)
        else:
            names[name] = file
