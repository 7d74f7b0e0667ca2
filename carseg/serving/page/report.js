// The report of all photos: which sides and parts of the car are seen, what is missing, what is wrong with a photo.

import { report } from "./api.js";
import { percent, plain } from "./parts.js";

export class Report {
  // `failed` is told an Error, `chosen` a photo that is asked for.
  constructor(place, { failed, chosen }) {
    this.place = place;
    this.failed = failed;
    this.chosen = chosen;
    this.text = "";
    this.made = []; // the photos that it is about
  }

  // Show the report of these photos; `most` may be sent at once.
  async show(photos, model, most) {
    const sent = photos.filter((photo) => photo.state !== "failed").slice(0, most);
    if (sent.length === this.made.length && sent.every((photo, place) => photo === this.made[place])) return;
    this.made = sent;
    this.text = "";
    this.place.textContent = sent.length ? "Looking at all photos ..." : "";
    if (!sent.length) return;
    try {
      const text = await (await report(sent.map((photo) => photo.file), model)).text();
      if (this.made !== sent) return;
      this.text = text;
      const left = photos.length - sent.length;
      this.#fill(JSON.parse(text), left ? `${left} of ${photos.length} photos are left out.` : "");
    } catch (error) {
      if (this.made !== sent) return;
      this.made = [];
      this.place.textContent = "";
      this.failed(error);
    }
  }

  #fill(document, note) {
    const parts = document.parts.filter((part) => part.best);
    const seen = document.sides.filter((side) => side.photos.length);
    const verdict = document.sides.length ? `${seen.length} of ${document.sides.length} sides` : "";
    const counted = `${parts.length} of ${document.parts.length} parts are seen`;
    this.place.replaceChildren(
      element("p", "verdict", `${[verdict, counted].filter(Boolean).join(" and ")}. ${note}`),
      list("sides", document.sides.map((side) => element("li", side.photos.length ? "seen" : "unseen", plain(side.name)))),
      list("checked", document.photos.filter((photo) => photo.warnings.length).map((photo) => this.#photo(photo))),
      list("crops", parts.map((part) => this.#crop(part))),
      element("p", "unseen-parts", document.missing_parts.length ? `Not seen: ${document.missing_parts.map(plain).join(", ")}.` : ""),
      list("checked", document.photos.filter((photo) => !photo.warnings.length).map((photo) => this.#photo(photo))),
    );
    for (const item of this.place.querySelectorAll(".unseen")) item.append(element("span", "hidden", ": not seen"));
  }

  #crop({ name, best }) {
    const button = this.#button(best.photo);
    const image = Object.assign(new Image(), { src: best.crop, alt: "" });
    button.append(image, element("span", "", plain(name)), element("span", "faint", `photo ${best.photo}, ${percent(best.car_fraction)} of the car`));
    return item(button);
  }

  #photo({ number, view, warnings }) {
    const button = this.#button(number);
    button.append(element("b", "", `Photo ${number}${view ? `: from the ${view.name.replace("-", " ")}` : ""}`));
    for (const warning of warnings) button.append(element("span", "warned", warning.text));
    return item(button);
  }

  #button(number) {
    const button = element("button", "", "");
    button.type = "button";
    button.addEventListener("click", () => this.chosen(this.made[number - 1]));
    return button;
  }
}

function element(kind, className, text) {
  return Object.assign(document.createElement(kind), { className, textContent: text });
}

function item(content) {
  const made = document.createElement("li");
  made.append(content);
  return made;
}

function list(className, items) {
  const made = element("ul", className, "");
  made.append(...items);
  return made;
}
