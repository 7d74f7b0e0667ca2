// Tables in a <div class="sortable"> are sorted by the column whose head is clicked; a second click turns the order round.
document$.subscribe(() => {
  for (const head of document.querySelectorAll(".sortable th")) {
    head.style.cursor = "pointer";
    head.addEventListener("click", () => {
      const body = head.closest("table").tBodies[0];
      const key = (row) => row.cells[head.cellIndex].textContent.trim();
      const number = (text) => (text === "-" ? -Infinity : parseFloat(text));
      const up = head.dataset.order !== "up";
      head.dataset.order = up ? "up" : "down";
      const rows = [...body.rows].sort((a, b) => {
        const [x, y] = up ? [key(a), key(b)] : [key(b), key(a)];
        return isNaN(number(x)) || isNaN(number(y)) ? x.localeCompare(y) : number(x) - number(y);
      });
      body.append(...rows);
    });
  }
});
