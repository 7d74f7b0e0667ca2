// A photo with its regions tinted; the part under the pointer or finger, or chosen in the list, lights up.

import { regionMap } from "./rle.js";

const LONGEST = 1600; // pixels that are shown: more cannot be seen, and take memory

// Return the size at which a photo is shown.
export function shownSize(width, height) {
  const scale = Math.min(1, LONGEST / Math.max(width, height));
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}

export class Viewer {
  // `pointed` is told the region under the pointer and where, or null; `chosen` the region that was clicked, or null.
  constructor(canvas, { pointed, chosen }) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.tint = 0.5;
    this.clear();
    const region = (event) => this.#regionAt(event);
    canvas.addEventListener("pointermove", (event) => pointed(region(event), event));
    canvas.addEventListener("pointerdown", (event) => pointed(region(event), event));
    canvas.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && pointed(null, event));
    canvas.addEventListener("click", (event) => chosen(region(event)));
  }

  clear() {
    this.image = null;
    this.regions = [];
    this.map = null;
    this.lit = null;
  }

  // Show an image without regions, as wide and high as it is; `image` is what drawImage takes.
  show(image, size) {
    this.clear();
    this.image = image;
    Object.assign(this.canvas, size);
    this.draw();
  }

  // regions: [{rle, part, color: [r, g, b]}], of an image of `size`.
  setRegions(regions, size) {
    this.regions = regions;
    this.map = regionMap(regions, size, this.canvas);
    this.parts = Uint16Array.from([0, ...regions.map((region) => region.part + 1)]);
    this.layer = Object.assign(document.createElement("canvas"), { width: this.canvas.width, height: this.canvas.height });
    this.draw();
  }

  // Light up a part, or none.
  light(part) {
    if (part === this.lit) return;
    this.lit = part;
    this.draw();
  }

  setTint(tint) {
    this.tint = tint;
    this.draw();
  }

  draw() {
    const { canvas, context } = this;
    if (!this.image) return;
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.drawImage(this.image, 0, 0, canvas.width, canvas.height);
    if (!this.map) return;
    const layer = this.layer.getContext("2d");
    const pixels = layer.createImageData(canvas.width, canvas.height);
    this.#paint(new Uint32Array(pixels.data.buffer));
    layer.putImageData(pixels, 0, 0);
    context.drawImage(this.layer, 0, 0);
  }

  #paint(pixels) {
    const { map, parts, lit } = this;
    const { width } = this.canvas;
    const inner = new Uint32Array(parts.length);
    const border = new Uint32Array(parts.length);
    this.regions.forEach(({ part, color: [red, green, blue] }, number) => {
      const color = (blue << 16) | (green << 8) | red; // the bytes are red, green, blue, opacity
      const share = lit === null ? this.tint : part === lit ? Math.max(this.tint, 0.6) : this.tint * 0.25;
      inner[number + 1] = color | ((share * 255) << 24);
      border[number + 1] = part === lit ? 0xffffffff : color | ((lit === null ? 230 : 90) << 24);
    });
    const edge = Math.max(1, Math.round(width / 700));
    for (let at = 0; at < map.length; at++) {
      const region = map[at];
      if (!region) continue;
      const part = parts[region];
      const inside =
        parts[map[at - edge]] === part && parts[map[at + edge]] === part &&
        parts[map[at - edge * width]] === part && parts[map[at + edge * width]] === part;
      pixels[at] = inside ? inner[region] : border[region];
    }
  }

  #regionAt(event) {
    if (!this.map) return null;
    const box = this.canvas.getBoundingClientRect();
    const x = Math.floor(((event.clientX - box.left) / box.width) * this.canvas.width);
    const y = Math.floor(((event.clientY - box.top) / box.height) * this.canvas.height);
    if (x < 0 || y < 0 || x >= this.canvas.width || y >= this.canvas.height) return null;
    const number = this.map[y * this.canvas.width + x];
    return number ? this.regions[number - 1] : null;
  }
}
