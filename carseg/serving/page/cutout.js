// The cut-out of a photo, and the chooser of what is put behind it.

import { cutout } from "./api.js";

const PAUSE = 250; // milliseconds after the last change of a setting

export class Cutout {
  // `busy` is told whether one is being made, `failed` an Error.
  constructor(image, { busy, failed }) {
    this.image = image;
    this.busy = busy;
    this.failed = failed;
    this.form = document.getElementById("backgrounds");
    this.color = document.getElementById("color");
    this.shadow = document.getElementById("shadow");
    this.size = document.getElementById("size");
    this.input = document.getElementById("input-background");
    this.behind = null;
    this.blob = null;
    this.photo = null;
    this.turn = 0;
    this.form.addEventListener("change", (event) => this.#choose(event.target));
    this.color.addEventListener("input", () => this.#choose(this.color));
    this.shadow.addEventListener("change", () => this.#later());
    this.size.addEventListener("change", () => this.#later());
    this.form.querySelector("[value=photo]").addEventListener("click", () => this.input.click());
    this.input.addEventListener("change", () => this.#takePhoto(this.input.files[0]));
  }

  // Show the cut-out of a photo.
  show(photo) {
    if (this.photo === photo && this.blob) {
      this.image.hidden = false;
      return;
    }
    this.photo = photo;
    this.blob = null;
    this.image.hidden = true;
    this.#make();
  }

  hide() {
    this.image.hidden = true;
    this.turn++; // an answer that is still to come is not shown
    this.busy(false);
  }

  get background() {
    const chosen = this.form.querySelector(":checked").value;
    return chosen === "photo" ? this.behind : chosen === "color" ? this.color.value : chosen;
  }

  #choose(field) {
    if (field === this.color) this.form.querySelector("[value=color]").checked = true;
    if (field.value === "photo" && !this.behind) return; // it is being chosen
    this.#later();
  }

  #takePhoto(file) {
    if (!file) return;
    this.behind = file;
    const swatch = this.form.querySelector(".photo");
    if (this.shown) URL.revokeObjectURL(this.shown);
    this.shown = URL.createObjectURL(file);
    swatch.style.backgroundImage = `url(${this.shown})`;
    this.input.value = "";
    this.#later();
  }

  #later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#make(), PAUSE);
  }

  async #make() {
    const turn = ++this.turn;
    this.busy(true);
    try {
      const blob = await cutout(this.photo.file, this.background ?? "", { shadow: this.shadow.checked, size: this.size.value });
      if (turn !== this.turn) return;
      this.blob = blob;
      if (this.address) URL.revokeObjectURL(this.address);
      this.address = URL.createObjectURL(blob);
      this.image.src = this.address;
      this.image.alt = `The car of ${this.photo.file.name}, cut out`;
      await this.image.decode();
      this.image.hidden = false;
    } catch (error) {
      if (turn === this.turn) this.failed(error);
    } finally {
      if (turn === this.turn) this.busy(false);
    }
  }
}
