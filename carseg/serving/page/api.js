// The service, as the page asks it.

const KEY = "carseg-key";
const TRIES = 8; // while all places are taken

export class Trouble extends Error {
  constructor(sentence, status = 0) {
    super(sentence);
    this.status = status;
  }
}

export async function models() {
  return JSON.parse(await (await ask("GET", "models")).text());
}

export async function predict(file, model, settings = {}, heard = () => {}) {
  return ask("POST", "predict", { model, ...settings }, form({ image: file }), heard);
}

// background: "", a colour or a file
export async function cutout(file, background, settings) {
  if (background instanceof Blob) return ask("POST", "cutout", settings, form({ image: file, background }));
  return ask("POST", "cutout", { ...settings, background }, form({ image: file }));
}

// Return the report of photos of one car.
export async function report(photos, model) {
  const filled = new FormData();
  for (const photo of photos) filled.append("image", photo);
  return ask("POST", "report", { model }, filled);
}

function form(files) {
  const filled = new FormData();
  for (const [field, file] of Object.entries(files)) filled.append(field, file);
  return filled;
}

// Return the body of the answer, a Blob. `heard` is told the share of the upload that is done, 1 while it is computed.
async function ask(method, path, settings = {}, body = null, heard = () => {}) {
  const query = new URLSearchParams(Object.entries(settings).filter(([, value]) => value !== undefined && value !== ""));
  const address = `${path}?${query}`.replace(/\?$/, "");
  for (let tried = 1; ; tried++) {
    const answer = await send(method, address, body, heard);
    if (answer.status === 200) return answer.response;
    if (answer.status === 401 && (await askForKey())) continue;
    if (answer.status !== 429 || tried === TRIES) throw new Trouble(await sentence(answer), answer.status);
    await new Promise((done) => setTimeout(done, 1000 * (Number(answer.getResponseHeader("Retry-After")) || 1)));
  }
}

function send(method, address, body, heard) {
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest(); // fetch does not tell how far an upload is
    request.open(method, address);
    request.responseType = "blob";
    const key = sessionStorage.getItem(KEY);
    if (key) request.setRequestHeader("Authorization", `Bearer ${key}`);
    request.upload.onprogress = (event) => heard(event.total ? event.loaded / event.total : 0);
    request.upload.onload = () => heard(1);
    request.onload = () => done(request);
    request.onerror = () => failed(new Trouble("The service does not answer: is it still running?"));
    request.send(body);
  });
}

async function sentence(answer) {
  try {
    return JSON.parse(await answer.response.text()).detail;
  } catch {
    return `The service answers with status ${answer.status}.`;
  }
}

let asking = null;

// Return whether a key was entered.
function askForKey() {
  const dialog = document.getElementById("key-dialog");
  asking ??= new Promise((done) => {
    dialog.addEventListener(
      "close",
      () => {
        const field = document.getElementById("key");
        sessionStorage.setItem(KEY, field.value);
        asking = null;
        done(field.value !== "");
        field.value = "";
      },
      { once: true },
    );
    dialog.showModal();
  });
  return asking;
}
