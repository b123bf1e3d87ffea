"use strict";
// A header's button sorts its table: by the cells' values where all have one, else by their words; again for the other way.
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const header = button.closest("th"), table = header.closest("table"), column = header.cellIndex;
    const down = header.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells)
      if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    const rows = [...table.tBodies[0].rows];
    const numbers = rows.every(row => row.cells[column].dataset.value !== undefined);
    const words = new Intl.Collator(undefined, { numeric: true });
    rows.sort((one, other) => {
      const a = one.cells[column], b = other.cells[column];
      const order = numbers ? a.dataset.value - b.dataset.value : words.compare(a.textContent, b.textContent);
      return down ? -order : order;
    });
    table.tBodies[0].append(...rows);
  });
}
// What is folded is on paper, too.
addEventListener("beforeprint", () => { for (const one of document.querySelectorAll("details")) one.open = true; });
