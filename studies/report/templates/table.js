// Sorting, filtering and copying; the page reads the same without it.
"use strict";
(() => {
  const key = (cell) => {
    const holder = cell.querySelector("data[value], [data-sort]");
    if (holder) return Number(holder.dataset.sort ?? holder.value);
    const text = cell.textContent.trim();
    return text !== "" && !Number.isNaN(Number(text)) ? Number(text) : text;
  };
  const compare = (one, other) => {
    if (typeof one === "number" && typeof other === "number") return one - other;
    if (typeof one !== typeof other) return typeof one === "number" ? -1 : 1;
    return one.localeCompare(other);
  };
  const sort = (table, head) => {
    const body = table.tBodies[0];
    const ascending = head.getAttribute("aria-sort") !== "ascending";
    const place = head.cellIndex;
    const rows = [...body.rows].map((row) => [key(row.cells[place]), row]);
    const numbers = rows.filter(([value]) => typeof value === "number");
    const words = rows.filter(([value]) => typeof value !== "number");
    for (const part of [numbers, words]) part.sort(([a], [b]) => (ascending ? compare(a, b) : compare(b, a)));
    for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    body.append(...[...numbers, ...words].map(([, row]) => row));
  };
  for (const table of document.querySelectorAll("table[data-sortable]")) {
    const heads = [...table.tHead.rows].at(-1); // above it stand at most titles of several columns
    for (const head of heads.cells) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      button.addEventListener("click", () => sort(table, head));
      head.append(button);
    }
  }
  const open = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let each = target; each; each = each.parentElement) if (each.tagName === "DETAILS") each.open = true;
    if (target) target.scrollIntoView();
  };
  addEventListener("hashchange", open);
  if (location.hash) open();
  const folds = [...document.querySelectorAll("details.fold")];
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = folds.filter((fold) => !fold.open);
    for (const fold of closed) fold.open = true;
  });
  addEventListener("afterprint", () => {
    for (const fold of closed) fold.open = false;
  });
  for (const block of document.querySelectorAll("pre")) {
    const button = document.createElement("button");
    const words = block.textContent;
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(words);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(block.querySelector("code"));
        button.textContent = "Selected: copy with Ctrl+C";
      }
    });
    block.prepend(button);
  }
  for (const input of document.querySelectorAll("input[data-filter]")) {
    const rows = [...document.getElementById(input.dataset.filter).tBodies[0].rows];
    const count = document.querySelector(`[data-count="${input.dataset.filter}"]`);
    const filter = () => {
      const wanted = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !wanted.every((word) => text.includes(word));
      }
      count.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} lines`;
    };
    input.addEventListener("input", filter);
    input.closest(".tools").hidden = false;
    filter();
  }
})();
