#!/usr/bin/env python3
"""Writes the first N instructions of a lackey text in the forms of other tracers: FOREIGN.champsim, .drmemtrace, .csv.

    scripts/lackey-to-foreign.py TEXT N OUT

Each instruction with its loads and stores is one ChampSim record (64 bytes), or one entry of 12 bytes of DynamoRIO's
drmemtrace and one for each access, between a header, thread and process entries and a footer; or lines of a CSV list.
"""
import struct
import sys


def instructions(path, limit):
    """Yields (address, size, accesses); an access is (kind, address, size)."""
    current = None
    for line in open(path, "rb"):
        kind = line[:3].strip()
        if kind not in (b"I", b"L", b"S", b"M") or line[2:3] != b" ":
            continue
        address, size = line[3:].split(b",")
        access = (int(address, 16), int(size))
        if kind == b"I":
            if current:
                yield current
                limit -= 1
                if limit == 0:
                    return
            current = (*access, [])
        elif current:
            for one in {b"L": "r", b"S": "w", b"M": "rw"}[kind]:
                current[2].append((one, *access))


def main(text, limit, out):
    trace = list(instructions(text, int(limit)))
    with open(out + ".champsim", "wb") as file:
        for address, _, accesses in trace:
            loads = [a for kind, a, _ in accesses if kind == "r"][:4]
            stores = [a for kind, a, _ in accesses if kind == "w"][:2]
            file.write(struct.pack("<Q8x2Q4Q", address, *(stores + [0] * 2)[:2], *(loads + [0] * 4)[:4]))
    with open(out + ".drmemtrace", "wb") as file:
        def entry(kind, size, value):
            file.write(struct.pack("<HHQ", kind, size, value))
        entry(25, 0, 5)  # header, version
        entry(28, 9, 0x40)  # marker: file type, x86-64
        entry(22, 4, 100)  # thread
        entry(24, 4, 100)  # process
        for address, size, accesses in trace:
            entry(10, size, address)
            for kind, place, length in accesses:
                entry(0 if kind == "r" else 1, length, place)
        entry(23, 0, 100)  # thread exit
        entry(26, 0, 0)  # footer
    with open(out + ".csv", "w") as file:
        file.write("kind,address,size\n")
        for address, size, accesses in trace:
            file.write(f"x,{address:x},{size}\n")
            for kind, place, length in accesses:
                file.write(f"{kind},{place:x},{length}\n")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
