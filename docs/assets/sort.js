// Tables in a <div class="sortable"> are sorted by the column whose head is clicked; a second click turns the order round.
document$.subscribe(() => {
  for (const head of document.querySelectorAll(".sortable th")) {
    head.tabIndex = 0;
    head.addEventListener("keydown", (event) => event.key === "Enter" && head.click());
    head.addEventListener("click", () => {
      const body = head.closest("table").tBodies[0];
      const key = (row) => row.cells[head.cellIndex].textContent.trim();
      const number = (text) => (text === "-" ? -Infinity : parseFloat(text));
      const up = head.getAttribute("aria-sort") !== "ascending";
      for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = [...body.rows].sort((a, b) => {
        const [x, y] = up ? [key(a), key(b)] : [key(b), key(a)];
        return isNaN(number(x)) || isNaN(number(y)) ? x.localeCompare(y) : number(x) - number(y);
      });
      body.append(...rows);
    });
  }
});
