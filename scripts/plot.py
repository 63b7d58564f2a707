#!/usr/bin/env python3
"""Pictures of the counters of `memlab replay --csv`, of the curves of `memlab reuse --csv`, and of the timelines of
`memlab host --timeline`.

    scripts/plot.py report.csv                     three pictures beside it: report-hidden-faults.png …
    scripts/plot.py report.csv -o pictures/x.pdf   pictures/x-hidden-faults.pdf …
    scripts/plot.py a.csv b.csv --only cycles      the rows of both files in one picture
    scripts/plot.py reuse.csv                      misses against size: reuse-misses.png
    scripts/plot.py a.csv b.csv -o hosts.png       timelines, a panel each: hosts-memory.png, hosts-swapping.png …

Hidden faults by class, page-walk references a TLB miss, and cycles by where they go; one group of bars a trace, one bar
a mode. Needs matplotlib.
"""

import argparse
import csv
import os
import sys

MODES = ["native", "emulated-tlb", "shadow", "nested", "direct"]
# Okabe and Ito's palette: told apart by every kind of colour vision, and in grey by its lightness.
COLORS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442"]
HATCHES = ["", "//", "..", "xx", "\\\\", "++", "oo"]


def fail(message, status):
    sys.stderr.write(f"plot.py: {message}\n")
    sys.exit(status)


def kind_of(row):
    if "round" in row:
        return "timeline"
    if "trace" not in row:
        return None
    return "curves" if "entries" in row else "replays" if "mode" in row else None


def read_rows(paths):
    rows = []
    for path in paths:
        try:
            with open(path, newline="", encoding="utf-8") as file:
                found = list(csv.DictReader(file))
        except OSError as error:
            fail(f"{path}: {error.strerror}", 66)
        kind = kind_of(found[0] if found else {})
        if kind is None:
            fail(f"{path}: no rows of `memlab replay --csv`, `memlab reuse --csv` or `memlab host --timeline`", 65)
        if kind == "timeline":
            for row in found:
                row["trace"] = os.path.splitext(os.path.basename(path))[0]
        rows += found
    if len({kind_of(row) for row in rows}) > 1:
        fail("rows of replays, of curves and of timelines do not go into one picture", 64)
    return rows


def number(row, column):
    """A counter; a report of an older memlab may lack a column."""
    try:
        return int(row.get(column) or 0)
    except ValueError:
        fail(f"{row['trace']}: {column} is {row[column]!r}, expected a whole number", 65)


class Layout:
    """Where the bars stand: a group a trace (and machine, and settings, if there are several), in it a bar a row."""

    def __init__(self, rows):
        machines = len({(row.get("machine"), row.get("settings")) for row in rows}) > 1
        self.groups = {}
        for row in rows:
            label = row["trace"]
            if machines:
                label += "\n" + " ".join(filter(None, [row.get("machine"), row.get("settings")]))
            self.groups.setdefault(label, []).append(row)
        self.bars = []
        place = 0.0
        self.centres = []
        for group in self.groups.values():
            group.sort(key=lambda row: MODES.index(row["mode"]) if row["mode"] in MODES else len(MODES))
            self.bars += [(place + index, row) for index, row in enumerate(group)]
            self.centres.append(place + (len(group) - 1) / 2)
            place += len(group) + 0.8
        self.width = place

    def positions(self):
        return [position for position, _ in self.bars]

    def rows(self):
        return [row for _, row in self.bars]


def new_axes(plt, layout, title, label):
    figure, axes = plt.subplots(figsize=(max(6.0, 1.6 + 0.62 * layout.width), 4.6), layout="constrained")
    axes.set_title(title, loc="left", fontweight="bold", pad=12)
    axes.set_ylabel(label)
    axes.set_xticks(layout.positions(), [row["mode"] for row in layout.rows()], rotation=35, ha="right")
    axes.tick_params(axis="x", length=0)
    for centre, name in zip(layout.centres, layout.groups):
        axes.annotate(name, (centre, 0), xytext=(0, -58), xycoords=("data", "axes fraction"),
                      textcoords="offset points", ha="center", va="top", annotation_clip=False, fontweight="bold", fontsize="small")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_xlim(-0.8, layout.width - 1.0)
    return figure, axes


def stack(axes, layout, parts, scale):
    """Bars one on the other; parts are (label, function of a row). What is nought everywhere does not show."""
    floor = [0.0] * len(layout.bars)
    for index, (label, value) in enumerate(parts):
        heights = [value(row) / scale for row in layout.rows()]
        if not any(heights):
            continue
        axes.bar(layout.positions(), heights, 0.8, bottom=floor, label=label, color=COLORS[index % len(COLORS)],
                 hatch=HATCHES[index % len(HATCHES)], edgecolor="white", linewidth=0.5)
        floor = [low + height for low, height in zip(floor, heights)]
    return floor


def legend(axes):
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def write_totals(axes, layout, totals, form):
    axes.set_ylim(0, 1.1 * max(totals) or 1)
    for position, total in zip(layout.positions(), totals):
        axes.annotate(form(total), (position, total), xytext=(0, 2), textcoords="offset points", ha="center",
                      fontsize="x-small")


def unit_of(largest):
    for scale, name in ((1e9, "billions"), (1e6, "millions"), (1e3, "thousands")):
        if largest >= 2 * scale:
            return scale, name
    return 1, ""


def short(value):
    return "0" if value == 0 else f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def hidden_faults(plt, layout):
    classes = ["fill", "trace", "dirty", "host", "other"]
    names = {"fill": "fill: no shadow entry yet", "trace": "trace: a watched page", "dirty": "dirty: read-only for D",
             "host": "host: no machine frame", "other": "other"}
    scale, unit = unit_of(max(number(row, "hidden_faults") for row in layout.rows()))
    figure, axes = new_axes(plt, layout, "Hidden faults", f"hidden faults{', ' + unit if unit else ''}")
    parts = [(names[name], lambda row, name=name: number(row, "hidden_" + name)) for name in classes]
    write_totals(axes, layout, stack(axes, layout, parts, scale), short)
    legend(axes)
    return figure


def walk_references(plt, layout):
    figure, axes = new_axes(plt, layout, "Page-walk references a TLB miss", "references a miss")

    def per_miss(row, references):
        misses = number(row, "tlb_misses")
        return references / misses if misses else 0

    def other(row):
        named = number(row, "walk_refs_guest") + number(row, "walk_refs_nested")
        return per_miss(row, max(number(row, "walk_refs") - named, 0))

    parts = [
        ("guest's tables", lambda row: per_miss(row, number(row, "walk_refs_guest"))),
        ("nested table", lambda row: per_miss(row, number(row, "walk_refs_nested"))),
        ("shadow tables", other),
    ]
    write_totals(axes, layout, stack(axes, layout, parts, 1), lambda value: f"{value:.2f}")
    legend(axes)
    return figure


def cycles(plt, layout):
    scale, unit = unit_of(max(number(row, "cycles_total") for row in layout.rows()))
    figure, axes = new_axes(plt, layout, "Estimated cycles", f"cycles{', ' + unit if unit else ''}")
    parts = [
        ("translation: TLB and walks", lambda row: number(row, "cycles_translation")),
        ("guest: its own faults and register loads", lambda row: number(row, "cycles_guest")),
        ("virtualization: exits and their handling", lambda row: number(row, "cycles_virtualization")),
    ]
    write_totals(axes, layout, stack(axes, layout, parts, scale), short)
    legend(axes)
    return figure


ARRAYS = [("fetch_4k", "fetches, 4K"), ("fetch_2m", "fetches, 2M"), ("fetch_1g", "fetches, 1G"),
          ("data_4k", "data, 4K"), ("data_2m", "data, 2M"), ("data_1g", "data, 1G")]


def miss_curves(plt, rows):
    """Misses against entries, both logarithmic: one panel a trace, a step line for the whole TLB and each array."""
    traces = {}
    for row in rows:
        traces.setdefault(row["trace"], []).append(row)
    figure, panels = plt.subplots(1, len(traces), figsize=(1.6 + 4.8 * len(traces), 4.6), layout="constrained",
                                  sharey=True, squeeze=False)
    for axes, (name, points) in zip(panels[0], traces.items()):
        sizes = [number(row, "entries") for row in points]
        # The last size goes on for ever; a step of its own shows that.
        ends = sizes + [2 * sizes[-1]]

        def line(column, **style):
            values = [1000 * number(row, column) / max(number(row, "accesses"), 1) for row in points]
            if any(values):
                # What is nought has no place on a logarithmic axis.
                values = [value if value > 0 else float("nan") for value in values + values[-1:]]
                axes.step(ends, values, where="post", **style)

        line("misses", label="all arrays and faults", color="black", linewidth=2)
        for index, (column, label) in enumerate(ARRAYS):
            line(column, label=label, color=COLORS[index], linewidth=1.3, linestyle=["-", "--", ":"][index % 3])
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.xaxis.set_major_formatter(plt.FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.yaxis.set_major_formatter(plt.FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set_title(name, loc="left", fontweight="bold", pad=12)
        axes.set_xlabel("entries of each array")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="#dddddd", linewidth=0.8)
        axes.set_axisbelow(True)
    panels[0][0].set_ylabel("misses of 1,000 accesses")
    handles = {}
    for axes in panels[0]:
        handles.update(dict(zip(*reversed(axes.get_legend_handles_labels()))))
    panels[0][-1].legend(handles.values(), handles.keys(), frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def timeline_panels(plt, rows, title, label):
    """A panel a file, with the same scales; gives axes, the rounds, and each machine's rows by its name."""
    hosts = {}
    for row in rows:
        hosts.setdefault(row["trace"], {}).setdefault(row["machine"], []).append(row)
    figure, panels = plt.subplots(1, len(hosts), figsize=(1.8 + 4.6 * len(hosts), 4.2), layout="constrained",
                                  sharey=True, squeeze=False)
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    for axes, (name, machines) in zip(panels[0], hosts.items()):
        axes.set_title(name, loc="left", fontsize="medium")
        axes.set_xlabel("rounds of turns")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="#dddddd", linewidth=0.8)
        axes.set_axisbelow(True)
    panels[0][0].set_ylabel(label)
    return figure, list(zip(panels[0], hosts.values()))


def rounds(rows):
    return [number(row, "round") for row in rows]


def totals(machines, value):
    """The sum over the machines, round by round."""
    return [sum(value(row) for row in group) for group in zip(*machines.values())]


def host_memory(plt, rows):
    figure, panels = timeline_panels(plt, rows, "Pages with a machine frame", "pages")
    for axes, machines in panels:
        names = list(machines)
        shown = names if len(names) <= len(COLORS) else []
        for index, name in enumerate(shown):
            group = machines[name]
            axes.plot(rounds(group), [number(row, "mapped") for row in group], color=COLORS[index], linewidth=1.6,
                      linestyle=["-", "--", "-.", ":"][index % 4], label=f"{name} ({group[0]['mode']})")
        if not shown:
            group = machines[names[0]]
            axes.plot(rounds(group), totals(machines, lambda row: number(row, "mapped")), color=COLORS[0], linewidth=1.6,
                      label=f"all {len(names)} machines")
        group = machines[names[0]]
        axes.plot(rounds(group), [number(row, "free") for row in group], color="#888888", linewidth=1, linestyle=":",
                  label="free frames")
    panels[0][0].set_ylim(bottom=0)
    legend(panels[-1][0])
    return figure


def host_swapping(plt, rows):
    figure, panels = timeline_panels(plt, rows, "Reads from swap areas so far", "pages")
    parts = [("swap_ins", "by the host", "-"), ("double_paged", "of these, for the guest to write", "-."),
             ("guest_swap_ins", "by the guests", "--")]
    for axes, machines in panels:
        group = next(iter(machines.values()))
        for index, (column, label, style) in enumerate(parts):
            axes.plot(rounds(group), totals(machines, lambda row, column=column: number(row, column)),
                      color=COLORS[index], linewidth=1.6, linestyle=style, label=label)
    panels[0][0].set_ylim(bottom=0)
    legend(panels[-1][0])
    return figure


def host_sharing(plt, rows):
    figure, panels = timeline_panels(plt, rows, "Sharing by contents", "pages")
    for axes, machines in panels:
        group = next(iter(machines.values()))
        times, frames = rounds(group), [number(row, "shared_frames") for row in group]
        pages = totals(machines, lambda row: number(row, "shared"))
        axes.plot(times, totals(machines, lambda row: number(row, "mapped")), color=COLORS[1], linewidth=1.6,
                  linestyle="--", label="pages with a frame")
        axes.plot(times, pages, color=COLORS[0], linewidth=1.6, label="pages that share one")
        axes.plot(times, frames, color=COLORS[2], linewidth=1.6, linestyle="-.", label="frames that they share")
        axes.fill_between(times, frames, pages, color=COLORS[4], alpha=0.3, linewidth=0, label="saved")
    # Panels share their scale: not before all are drawn.
    panels[0][0].set_ylim(bottom=0)
    legend(panels[-1][0])
    return figure


def host_cycles(plt, rows):
    """One line a host, so that ways to get by are compared."""
    hosts = {}
    for row in rows:
        hosts.setdefault(row["trace"], {}).setdefault(row["machine"], []).append(row)
    sums = {name: totals(machines, lambda row: number(row, "cycles_total")) for name, machines in hosts.items()}
    scale, unit = unit_of(max(line[-1] for line in sums.values()))
    figure, axes = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
    axes.set_title("Cycles of all machines so far", loc="left", fontweight="bold", pad=12)
    axes.set_xlabel("rounds of turns")
    axes.set_ylabel(f"cycles{', ' + unit if unit else ''}")
    for index, (name, line) in enumerate(sums.items()):
        axes.plot(rounds(next(iter(hosts[name].values()))), [value / scale for value in line],
                  color=COLORS[index % len(COLORS)], linewidth=1.6, linestyle=["-", "--", "-.", ":"][index % 4],
                  label=name)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_ylim(bottom=0)
    legend(axes)
    return figure


TIMELINES = {"memory": host_memory, "swapping": host_swapping, "cycles-so-far": host_cycles, "sharing": host_sharing}
PICTURES = {"hidden-faults": hidden_faults, "walk-references": walk_references, "cycles": cycles}


def main():
    parser = argparse.ArgumentParser(description="Pictures of `memlab replay --csv` and `memlab reuse --csv`.")
    parser.add_argument("csv", nargs="+", help="reports; their rows are put together")
    parser.add_argument("-o", "--output", help="NAME.png or NAME.pdf; the picture's name goes before the extension")
    parser.add_argument("--only", choices=[*PICTURES, *TIMELINES], help="draw one picture instead of all")
    arguments = parser.parse_args()
    try:
        import matplotlib
        matplotlib.use("Agg")
        import matplotlib.pyplot as plt
    except ImportError:
        fail("matplotlib is missing: pip install matplotlib", 69)
    rows = read_rows(arguments.csv)
    if "round" in rows[0]:
        shown = [name for name in TIMELINES if name != "sharing" or any(number(row, "shared") for row in rows)]
        pictures = {name: lambda draw=TIMELINES[name]: draw(plt, rows) for name in shown}
    elif "entries" in rows[0]:
        pictures = {"misses": lambda: miss_curves(plt, rows)}
    else:
        layout = Layout(rows)
        pictures = {name: lambda draw=draw: draw(plt, layout) for name, draw in PICTURES.items()}
    stem, extension = os.path.splitext(arguments.output or os.path.splitext(arguments.csv[0])[0] + ".png")
    if extension not in (".png", ".pdf", ".svg"):
        fail(f"{arguments.output}: expected a name that ends in .png, .pdf or .svg", 64)
    if arguments.only and arguments.only not in pictures:
        fail(f"--only {arguments.only}: not of these files", 64)
    for name in [arguments.only] if arguments.only else pictures:
        path = f"{stem}-{name}{extension}"
        figure = pictures[name]()
        try:
            figure.savefig(path, dpi=150, bbox_inches="tight")
        except OSError as error:
            fail(f"{path}: {error.strerror}", 73)
        print(path)


if __name__ == "__main__":
    main()
