"use strict";
(() => {
  const root = document.documentElement;
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  document.querySelector(".tools").hidden = false;

  // Light or dark: the system's choice until the reader chooses; stored if the browser allows it.
  const themes = ["auto", "light", "dark"];
  const button = document.getElementById("theme");
  const choose = (theme) => {
    if (theme === "auto") delete root.dataset.theme;
    else root.dataset.theme = theme;
    button.textContent = `Theme: ${theme}`;
    try { localStorage.setItem("otlp2parquet-theme", theme); } catch { /* not allowed in private windows */ }
  };
  let theme = "auto";
  try { theme = localStorage.getItem("otlp2parquet-theme") || "auto"; } catch { /* not allowed in private windows */ }
  if (!themes.includes(theme)) theme = "auto";
  choose(theme);
  button.addEventListener("click", () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    choose(theme);
  });

  // The filter hides items without every word; "/" focuses it, Escape clears it.
  const filter = document.getElementById("filter");
  const found = document.getElementById("found");
  const rows = all("[data-find]");
  const look = () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      row.hidden = !words.every((word) => row.dataset.find.includes(word));
      if (!row.hidden) shown += 1;
    }
    found.textContent = words.length ? `${shown} of ${rows.length} rows shown` : "";
  };
  filter.addEventListener("input", look);
  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      filter.focus();
    }
    if (event.key === "Escape" && event.target === filter) {
      filter.value = "";
      look();
      filter.blur();
    }
  });

  // Sorting: each head becomes a button; figures sort descending first, names ascending.
  for (const table of all("table[data-sortable]")) {
    const heads = all("thead th", table);
    heads.forEach((head, column) => {
      const sorter = document.createElement("button");
      sorter.type = "button";
      sorter.textContent = head.textContent;
      head.replaceChildren(sorter);
      sorter.addEventListener("click", () => {
        const names = column === 0;
        const before = head.getAttribute("aria-sort");
        const down = before ? before === "ascending" : !names;
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const value = (row) => row.cells[column].dataset.value;
        const sign = down ? -1 : 1;
        const sorted = [...table.tBodies[0].rows].sort((a, b) => sign * (names
          ? value(a).localeCompare(value(b))
          : (parseFloat(value(a)) || 0) - (parseFloat(value(b)) || 0)));
        table.tBodies[0].append(...sorted);
      });
    });
  }

  // Printing opens all errors and requests.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = all("details.row:not([open])");
    opened.forEach((each) => { each.open = true; });
  });
  addEventListener("afterprint", () => opened.forEach((each) => { each.open = false; }));
})();
