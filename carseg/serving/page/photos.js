// The photos that were given: each is sent, and its answer kept; two at a time, so that the others do not wait long.

import { predict } from "./api.js";

const AT_ONCE = 2;
const THUMB = { width: 168, height: 128 };

export class Photo {
  constructor(file) {
    this.file = file;
    this.state = "waiting"; // sending, working, done, failed
    this.sent = 0;
    this.text = "";
    this.result = null;
    this.trouble = null; // an Error
  }

  // Return what is shown of it; of a kind that the browser does not know the service's own picture.
  async image(model) {
    try {
      return await decoded(this.file);
    } catch {
      return decoded(await predict(this.file, model, { save: "overlay", legend: "false" }));
    }
  }
}

export class Photos {
  // `changed` is told each photo whose state changes.
  constructor(list, { changed, chosen }) {
    this.all = [];
    this.model = undefined;
    this.list = list;
    this.changed = changed;
    this.chosen = chosen;
    this.running = 0;
    this.drawn = Promise.resolve(); // thumbs, one after another: each takes the memory of a whole photo
  }

  add(files) {
    const added = [...files].map((file) => new Photo(file));
    for (const photo of added) {
      this.all.push(photo);
      this.#addThumb(photo);
    }
    this.#next();
    return added;
  }

  again(photos) {
    for (const photo of photos) {
      photo.state = "waiting";
      photo.result = null;
      this.#tell(photo);
    }
    this.#next();
  }

  get finished() {
    return this.all.filter((photo) => photo.state === "done" || photo.state === "failed").length;
  }

  mark(photo) {
    for (const each of this.all) each.thumb.setAttribute("aria-current", String(each === photo));
    photo.thumb.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  #next() {
    while (this.running < AT_ONCE) {
      const photo = this.all.find((each) => each.state === "waiting");
      if (!photo) return;
      this.running++;
      this.#send(photo).finally(() => {
        this.running--;
        this.#next();
      });
    }
  }

  async #send(photo) {
    photo.state = "sending";
    this.#tell(photo);
    try {
      const answer = await predict(photo.file, this.model, {}, (share) => {
        photo.sent = share;
        photo.state = share === 1 ? "working" : "sending";
        this.#tell(photo);
      });
      photo.text = await answer.text();
      photo.result = JSON.parse(photo.text);
      photo.state = "done";
    } catch (error) {
      photo.trouble = error;
      photo.state = "failed";
    }
    this.#tell(photo);
  }

  #tell(photo) {
    const [bar, words] = [photo.thumb.querySelector(".state"), { failed: "not done", done: "done" }];
    photo.thumb.className = photo.state;
    const share = document.createElement("span");
    share.style.width = `${photo.sent * 100}%`;
    bar.replaceChildren(photo.state === "failed" ? "not done" : share);
    photo.thumb.setAttribute("aria-label", `${photo.file.name}: ${words[photo.state] ?? "in work"}`);
    this.changed(photo);
  }

  #addThumb(photo) {
    photo.thumb = document.createElement("button");
    photo.thumb.type = "button";
    photo.thumb.title = photo.file.name;
    const canvas = Object.assign(document.createElement("canvas"), THUMB);
    const state = document.createElement("span");
    state.className = "state";
    photo.thumb.append(canvas, state);
    photo.thumb.addEventListener("click", () => this.chosen(photo));
    const item = document.createElement("li");
    item.append(photo.thumb);
    this.list.append(item);
    this.drawn = this.drawn.then(() => drawThumb(photo.file, canvas));
    this.#tell(photo);
  }
}

// Return an image, upright: elements of all browsers turn photos as their cameras say, bitmaps of some do not.
async function decoded(blob) {
  const image = new Image();
  image.src = URL.createObjectURL(blob);
  try {
    await image.decode();
    return image;
  } finally {
    URL.revokeObjectURL(image.src);
  }
}

async function drawThumb(file, canvas) {
  try {
    const image = await decoded(file);
    const scale = Math.max(THUMB.width / image.naturalWidth, THUMB.height / image.naturalHeight);
    const [width, height] = [image.naturalWidth * scale, image.naturalHeight * scale];
    canvas.getContext("2d").drawImage(image, (THUMB.width - width) / 2, (THUMB.height - height) / 2, width, height);
  } catch {
    // No picture that the browser knows: the service may know it, and says so otherwise.
  }
}
