extension ReportPage {
  /// Definitions on hover, focus and tap; tables that sort; everything open on paper. Without it the page shows all the
  /// same, with the definitions at its end.
  static let script = """
    "use strict";
    const tip = document.getElementById("tip");
    let owner = null;

    function place(x, y) {
      const gap = 12, box = tip.getBoundingClientRect();
      const width = document.documentElement.clientWidth, height = window.innerHeight;
      tip.style.left = Math.max(8, Math.min(x + gap, width - box.width - 8)) + "px";
      tip.style.top = (y + gap + box.height > height ? Math.max(8, y - gap - box.height) : y + gap) + "px";
    }

    function line(name, text) {
      const element = document.createElement(name);
      element.textContent = text;
      tip.append(element);
    }

    function define(element, x, y) {
      const column = element.dataset.d, definition = document.getElementById("def-" + column);
      if (!definition) return;
      owner = element;
      tip.replaceChildren(...definition.cloneNode(true).childNodes);
      if (element.dataset.v) {
        const unit = definition.querySelector("dt .unit");
        const figure = document.createElement("b");
        figure.textContent = element.dataset.v + " " + (unit ? unit.textContent : "");
        tip.prepend(figure);
      }
      tip.hidden = false;
      place(x, y);
    }

    function read(svg, x, y) {
      const box = svg.getBoundingClientRect(), share = Math.min(Math.max((x - box.left) / box.width, 0), 0.9999);
      const plot = svg.closest(".plot"), end = Number(plot.dataset.end);
      owner = svg;
      tip.replaceChildren();
      line("b", "operation " + Math.floor(share * end).toLocaleString("en"));
      for (const curve of svg.querySelectorAll("polyline")) {
        const values = curve.dataset.v.split(" "), width = curve.points[curve.points.numberOfItems - 1].x / 400;
        const value = values[Math.floor(share / width * values.length)];
        if (value !== undefined) line("div", curve.dataset.name + ": " + value + " " + plot.querySelector(".unit").textContent);
      }
      tip.hidden = false;
      place(x, y);
    }

    function hide() { tip.hidden = true; owner = null; }

    document.addEventListener("pointermove", event => {
      const element = event.target.closest("[data-d]"), svg = event.target.closest(".plot svg");
      if (element) define(element, event.clientX, event.clientY);
      else if (svg) read(svg, event.clientX, event.clientY);
      else if (owner !== document.activeElement) hide();
    });
    document.addEventListener("pointerdown", event => {
      const element = event.target.closest("[data-d]");
      if (element) define(element, event.clientX, event.clientY); else hide();
    });
    document.addEventListener("focusin", event => {
      const box = event.target.getBoundingClientRect();
      if (event.target.dataset.d && event.target.matches(":focus-visible")) define(event.target, box.left, box.bottom);
    });
    document.addEventListener("focusout", hide);
    document.addEventListener("keydown", event => { if (event.key === "Escape") hide(); });
    document.addEventListener("scroll", hide, true);

    for (const table of document.querySelectorAll("table.sortable")) {
      const heads = [...table.tHead.rows[0].cells];
      heads.forEach((head, index) => head.querySelector("button").addEventListener("click", () => {
        const descends = head.getAttribute("aria-sort") !== "descending" && index > 1
          || head.getAttribute("aria-sort") === "ascending";
        heads.forEach(other => other.setAttribute("aria-sort", "none"));
        head.setAttribute("aria-sort", descends ? "descending" : "ascending");
        const key = row => row.cells[index].dataset.v ?? row.cells[index].textContent;
        const rows = [...table.tBodies[0].rows].sort((a, b) => {
          const [x, y] = [key(a), key(b)];
          const order = index > 1 ? Number(x) - Number(y) : x < y ? -1 : x > y ? 1 : 0;
          return descends ? -order : order;
        });
        table.tBodies[0].append(...rows);
      }));
    }
    window.addEventListener("beforeprint", () => {
      for (const details of document.querySelectorAll("details")) details.open = true;
    });

    """
}
