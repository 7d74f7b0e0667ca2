// The list of the parts of a photo.

export const plain = (name) => {
  const words = name.replaceAll("_", " ");
  return words[0].toUpperCase() + words.slice(1);
};
export const percent = (share) => (share < 0.0005 ? "< 0.1 %" : `${(share * 100).toFixed(share < 0.0995 ? 1 : 0)} %`);
export const score = (value) => (value === null ? "" : value.toFixed(2));

// Fill a list with the parts, the largest first; `pointed` and `chosen` are told the part's place in `parts`, or null.
export function fillList(list, parts, colors, { pointed, chosen }) {
  const order = parts.map((_, place) => place).sort((a, b) => parts[b].area_px - parts[a].area_px);
  list.replaceChildren(...order.map((place) => row(parts[place], place, colors[parts[place].label], pointed, chosen)));
  if (parts.length) list.prepend(head());
}

// Mark the part that is lit, and the one that stays so.
export function mark(list, lit, kept) {
  for (const button of list.querySelectorAll("button")) {
    const place = Number(button.dataset.place);
    button.classList.toggle("lit", place === lit);
    button.setAttribute("aria-pressed", String(place === kept));
  }
}

function row(part, place, color, pointed, chosen) {
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.place = place;
  const dot = cell("dot", "");
  dot.style.background = color;
  button.append(dot, cell("name", plain(part.name)), cell("share", percent(part.area_fraction)), cell("score", score(part.score)));
  if (part.pieces.length > 1) {
    const shares = part.pieces.slice(0, 4).map((piece) => percent(piece.area_fraction));
    if (part.pieces.length > 4) shares.push("...");
    button.append(cell("pieces", `${part.pieces.length} pieces: ${shares.join(", ")}`));
  }
  button.setAttribute("aria-label", describe(part));
  button.addEventListener("pointerenter", () => pointed(place));
  button.addEventListener("pointerleave", () => pointed(null));
  button.addEventListener("focus", () => pointed(place));
  button.addEventListener("blur", () => pointed(null));
  button.addEventListener("click", () => chosen(place));
  const item = document.createElement("li");
  item.append(button);
  return item;
}

// Return a part in words.
export function describe(part) {
  const pieces = part.pieces.length > 1 ? `, in ${part.pieces.length} pieces` : "";
  const sure = part.score === null ? "" : `, score ${score(part.score)}`;
  return `${plain(part.name)}: ${percent(part.area_fraction)} of the photo${sure}${pieces}`;
}

function head() {
  const item = document.createElement("li");
  item.className = "columns";
  item.setAttribute("aria-hidden", "true");
  item.append(cell("", ""), cell("", "Part"), cell("", "Share"), cell("", "Score"));
  return item;
}

function cell(kind, text) {
  const span = document.createElement("span");
  span.className = kind;
  span.textContent = text;
  return span;
}
