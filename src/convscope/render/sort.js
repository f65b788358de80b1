// Heads of tables become buttons that put the rows in order: text by letter, figures by value.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const shown = (cell) => {
    const copy = cell.cloneNode(true);
    copy.querySelectorAll(".because").forEach((part) => part.remove());
    return copy.textContent.trim();
  };
  const value = (row, column) => {
    const words = shown(row.cells[column]);
    const figure = /^[-\u2212]?[\d,.]+/.exec(words.replace(/[\s\u2009]/g, ""));
    return figure ? Number(figure[0].replace(/,/g, "").replace("\u2212", "-")) : words;
  };
  const compare = (a, b) =>
    [a, b].every(Number.isFinite) ? a - b : String(a).localeCompare(String(b));
  Array.from(table.tHead.rows[0].cells).forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const turned = head.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", turned ? "descending" : "ascending");
      const rows = Array.from(body.rows, (row) => [value(row, column), row]);
      rows.sort((one, two) => compare(one[0], two[0]) * (turned ? -1 : 1));
      body.append(...rows.map((pair) => pair[1]));
    });
  });
}
