#!/usr/bin/env python3
"""Write the process traces of traces/hosts as text: python3 scripts/host-traces.py FOLDER, then memlab convert."""

import random
import sys


def write(path, lines):
    with open(path, "w") as file:
        file.write("\n".join(["memlab-trace 1", "guest process", *lines]) + "\n")


def page(number):
    return format(0x10000 + (number << 12), "x")


def phases(pages, window, accesses, hot, seed):
    """A program that goes on to a new page now and then, works on those it came to last, and at the end on the last."""
    dice = random.Random(seed)
    lines = []

    def work(count, first, last):
        for _ in range(count):
            lines.append(("w " if dice.random() < 0.3 else "r ") + page(first + dice.randrange(last - first)))

    for number in range(pages):
        lines.append("w " + page(number))
        work(12, max(0, number + 1 - window), number + 1)
    work(accesses, pages - hot, pages)
    return lines


def program(pages, data, accesses, seed):
    """A program that reads a file, stores to some pages of its own, and goes on reading."""
    dice = random.Random(seed)
    lines = [f"map 400000 {pages << 12} rf"]
    file = lambda: format(0x400000 + (dice.randrange(pages) << 12), "x")
    lines += ["r " + format(0x400000 + (number << 12), "x") for number in range(pages)]
    lines += ["w " + format(0x10000000 + (number << 12), "x") for number in range(data)]
    for _ in range(accesses):
        own = dice.random() < 0.3
        lines.append("w " + format(0x10000000 + (dice.randrange(data) << 12), "x") if own else "r " + file())
    return lines


def main():
    folder = sys.argv[1]
    # What it used first it never uses again.
    write(f"{folder}/moving.txt", phases(700, 100, 4000, 100, 1))
    # All of the memory is used all the time.
    write(f"{folder}/busy.txt", phases(500, 500, 8000, 500, 2))
    # A file, and some data.
    write(f"{folder}/program.txt", program(200, 40, 4000, 4))
    # All of it once, and then next to nothing.
    write(f"{folder}/idle.txt", phases(500, 4, 8000, 4, 3))


main()
