// The page: what is given, what is shown, what is saved.

import { models, predict } from "./api.js";
import { Cutout } from "./cutout.js";
import { describe, fillList, mark, percent, plain, score } from "./parts.js";
import { Photos } from "./photos.js";
import { Report } from "./report.js";
import { Viewer, shownSize } from "./viewer.js";

const $ = (name) => document.getElementById(name);
const served = { models: [], cutout: "", limits: {} };
let current = null; // the photo that is shown
let kept = null; // the part that stays lit
let view = "parts"; // or "cut", "report"

const viewer = new Viewer($("canvas"), { pointed: pointAt, chosen: (region) => keep(region ? region.part : null) });
const photos = new Photos($("photos"), { changed: photoChanged, chosen: choose });
const cut = new Cutout($("cutout"), {
  busy: (yes) => busy(yes && "Cutting out"),
  failed: trouble,
});

const report = new Report($("report-content"), {
  failed: trouble,
  chosen: choose,
});

// What is given

for (const button of document.querySelectorAll("[data-choose]")) {
  button.addEventListener("click", () => $(`input-${button.dataset.choose}`).click());
}
for (const input of [$("input-files"), $("input-camera")]) {
  input.addEventListener("change", () => {
    take(input.files);
    input.value = "";
  });
}
addEventListener("paste", (event) => take(event.clipboardData.files));
addEventListener("dragover", (event) => {
  event.preventDefault();
  $("drop").hidden = !event.dataTransfer.types.includes("Files");
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) $("drop").hidden = true;
});
addEventListener("drop", (event) => {
  event.preventDefault();
  $("drop").hidden = true;
  take(event.dataTransfer.files);
});

async function take(files) {
  const given = [...files]; // what an input holds is gone when it is emptied
  await ready;
  if (!given.length) return;
  $("start").hidden = true;
  $("work").hidden = false;
  const [first] = photos.add(given);
  choose(first);
}

// What is shown

async function choose(photo) {
  current = photo;
  kept = null;
  photos.mark(photo);
  cut.hide();
  trouble(null);
  viewer.clear();
  clearParts();
  photoChanged(photo);
  const image = await photo.image(photos.model).catch(() => null);
  if (photo !== current) return;
  if (image) {
    viewer.show(image, shownSize(image.naturalWidth, image.naturalHeight));
    $("canvas").setAttribute("aria-label", photo.file.name);
  } else {
    viewer.canvas.width = viewer.canvas.height = 0;
  }
  photoChanged(photo);
}

function photoChanged(photo) {
  const finished = photos.finished;
  $("total").hidden = photos.all.length < 2 || finished === photos.all.length;
  Object.assign($("total-bar"), { max: photos.all.length, value: finished });
  $("total-text").textContent = `${finished} of ${photos.all.length} photos done`;
  if (view === "report") showReport();
  if (photo !== current) return;
  const waits = { waiting: "Waiting", sending: "Sending", working: "Looking for parts" };
  busy(waits[photo.state]);
  if (photo.state === "failed") trouble(photo.trouble);
  if (photo.state === "done") showResult(photo);
}

function showResult({ result, file }) {
  if (view === "cut") cut.show(current);
  if (!viewer.image || viewer.map) return;
  const known = served.models.find((model) => model.name === result.model);
  const colors = known.colors;
  const regions = result.parts.flatMap((part, place) =>
    part.pieces.map((piece, number) => ({ rle: piece.rle, part: place, number, color: rgb(colors[part.label]) })),
  );
  viewer.setRegions(regions, result);
  fillList($("list"), result.parts, colors, { pointed: light, chosen: keep });
  const count = result.parts.length;
  const found = count ? `${count} ${count === 1 ? "part" : "parts"}` : "No part of a car was found";
  const from = result.view ? `, seen from the ${result.view.name.replace("-", " ")},` : "";
  $("summary").textContent = `${found}${from} in ${file.name}, ${result.width} x ${result.height} pixels`;
  if (result.cars?.length > 1) $("cars").replaceChildren(...result.cars.map(carItem));
  $("canvas").setAttribute("aria-label", `${file.name}: ${result.parts.map((part) => plain(part.name)).join(", ")}`);
  for (const button of document.querySelectorAll("[data-save]")) button.disabled = false;
  say($("summary").textContent);
}

function showReport() {
  if (photos.finished === photos.all.length) report.show(photos.all, photos.model, served.limits.files);
}

function clearParts() {
  $("cars").replaceChildren();
  $("summary").textContent = "";
  $("list").replaceChildren();
  $("tip").hidden = true;
  for (const button of document.querySelectorAll("[data-save]")) button.disabled = true;
}

function carItem({ number, area_fraction, parts, view: seen }) {
  const from = seen ? `, from the ${seen.name.replace("-", " ")}` : "";
  const item = document.createElement("li");
  item.textContent = `Car ${number}: ${percent(area_fraction)} of the photo, ${parts.length} parts${from}`;
  return item;
}

function pointAt(region, event) {
  light(region ? region.part : null);
  const tip = $("tip");
  tip.hidden = !region;
  if (!region) return;
  const part = current.result.parts[region.part];
  const piece = part.pieces[region.number];
  const name = document.createElement("b");
  name.textContent = plain(part.name);
  const which = part.pieces.length > 1 ? `piece ${region.number + 1} of ${part.pieces.length}, ` : "";
  const sure = piece.score === null ? "" : `, score ${score(piece.score)}`;
  tip.replaceChildren(name, `${which}${percent(piece.area_fraction)} of the photo${sure}`);
  const stage = $("stage").getBoundingClientRect();
  const above = event.pointerType === "mouse" ? 16 : -tip.offsetHeight - 36; // a finger covers what is below it
  const x = Math.min(event.clientX - stage.left + 14, stage.width - tip.offsetWidth - 8);
  const y = Math.min(Math.max(event.clientY - stage.top + above, 8), stage.height - tip.offsetHeight - 8);
  tip.style.left = `${Math.max(8, x)}px`;
  tip.style.top = `${y}px`;
}

function light(part) {
  viewer.light(part ?? kept);
  mark($("list"), part ?? kept, kept);
}

function keep(part) {
  kept = part === kept ? null : part;
  light(kept);
  if (kept !== null) say(describe(current.result.parts[kept]));
}

$("tint").addEventListener("input", (event) => viewer.setTint(event.target.value / 100));
$("again").addEventListener("click", () => {
  trouble(null);
  if (current.state === "failed") photos.again([current]);
  else cut.show(current);
});

// Parts or cut-out

const tabs = [...document.querySelectorAll("[role=tab]")];
for (const tab of tabs) {
  tab.addEventListener("click", () => turnTo(tab));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) turnTo(tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length], true);
  });
}

function turnTo(tab, focus = false) {
  for (const each of tabs) {
    each.setAttribute("aria-selected", String(each === tab));
    each.tabIndex = each === tab ? 0 : -1;
    $(each.getAttribute("aria-controls")).hidden = each !== tab;
  }
  if (focus) tab.focus();
  view = tab.getAttribute("aria-controls");
  $("canvas").hidden = view === "cut";
  $("looks").hidden = view === "cut";
  $("tip").hidden = true;
  trouble(null);
  cut.hide();
  if (current) photoChanged(current);
}

// What is saved

const saves = {
  json: async ({ text }) => download(new Blob([text], { type: "application/json" }), "json"),
  copy: async ({ text }) => {
    await navigator.clipboard.writeText(text);
    say("The JSON was copied.");
    const button = document.querySelector("[data-save=copy]");
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy JSON"), 1500);
  },
  mask: async ({ file }) => download(await predict(file, photos.model, { save: "mask" }), "mask.png"),
  overlay: async ({ file }) => download(await predict(file, photos.model, { save: "overlay" }), "overlay.png"),
  report: async () => report.text && download(new Blob([report.text], { type: "application/json" }), "report.json"),
  cutout: async () => cut.blob && download(cut.blob, "cutout.png"),
};
for (const button of document.querySelectorAll("[data-save]")) {
  const { save } = button.dataset;
  if (save === "copy" && !navigator.clipboard) button.hidden = true; // browsers have one for safe addresses alone
  button.addEventListener("click", () => saves[save](current).catch(trouble));
}

function download(blob, ending) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `${current.file.name.replace(/\.[^.]*$/, "") || "photo"}.${ending}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// What is said

function busy(text) {
  $("busy").hidden = !text;
  $("busy-text").textContent = text || "";
}

function trouble(error) {
  $("trouble").hidden = !error;
  $("trouble").querySelector("p").textContent = error ? error.message : "";
  $("again").hidden = error?.status >= 400 && error.status < 500 && error.status !== 429; // it would fail again
}

function say(text) {
  $("said").textContent = text;
}

function rgb(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

// What is served

$("model").addEventListener("change", () => {
  photos.model = $("model").value;
  photos.again(photos.all);
  if (current) choose(current);
});

async function begin() {
  Object.assign(served, await models());
  $("model").replaceChildren(...served.models.map(({ name }) => new Option(name)));
  $("choice").hidden = served.models.length < 2;
  photos.model = served.models[0].name;
  $("terms").textContent = served.models
    .filter((model) => model.commercial_use !== "yes")
    .map((model) => `The weights ${model.name} ${model.commercial_use === "no" ? "are" : "may"} not ${model.commercial_use === "no" ? "" : "be "}for commercial use (${model.licence}).`)
    .join(" ");
}

const ready = begin();
ready.catch((error) => {
  document.querySelector(".lead").textContent = error.message;
});
