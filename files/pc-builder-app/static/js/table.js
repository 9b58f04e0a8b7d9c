// Sort by a click on the head of a column, filter while typing. Without JavaScript, the form filters.
"use strict";

const table = document.getElementById("parts");
const filter = document.getElementById("filter");
const body = table.tBodies[0];

// A table that the server has filtered lacks the other rows: then the form keeps using the server.
const whole = !filter.elements.q.value && !filter.elements.category.value;

function value(row, column, kind) {
  const cell = row.cells[column];
  return kind === "number" ? parseFloat(cell.dataset.value ?? cell.textContent) : cell.textContent.trim();
}

function sortBy(head) {
  const kind = head.dataset.sort;
  const down = head.getAttribute("aria-sort") === "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");

  const rows = [...body.rows].sort((a, b) => {
    const first = value(a, head.cellIndex, kind);
    const second = value(b, head.cellIndex, kind);
    const order = kind === "number" ? first - second : first.localeCompare(second, "en", { numeric: true });
    return down ? -order : order;
  });
  body.append(...rows);
}

function applyFilter() {
  const words = filter.elements.q.value.toLowerCase().split(/\s+/).filter(Boolean);
  const category = filter.elements.category.value;
  let shown = 0;
  for (const row of body.rows) {
    const text = [...row.cells].slice(0, 3).map((cell) => cell.textContent).join(" ").toLowerCase();
    row.hidden = (category && row.dataset.category !== category) || !words.every((word) => text.includes(word));
    if (!row.hidden) shown += 1;
  }
  document.getElementById("count").textContent = shown;
  document.getElementById("empty").hidden = shown > 0;
}

for (const head of table.tHead.querySelectorAll("[data-sort]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = head.textContent;
  button.addEventListener("click", () => sortBy(head));
  head.replaceChildren(button);
}

if (whole) {
  filter.querySelector("button").hidden = true;
  filter.addEventListener("input", applyFilter);
  filter.addEventListener("submit", (event) => event.preventDefault());
} else {
  filter.elements.category.addEventListener("change", () => filter.requestSubmit());
}
