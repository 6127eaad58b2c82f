// Pictures from this device: chosen, or dropped anywhere on the page; one request each, a few at a time.

import { ask, at, carriesFiles, Refused, sentence } from "/static/station.js";

const AT_ONCE = 4;
const PATIENCE = 1; // seconds, where the station does not say

const input = document.getElementById("files");
const veil = document.getElementById("drop");
const bar = document.getElementById("sent");
const words = document.getElementById("upload-words");
const panel = document.getElementById("upload");
const errors = document.getElementById("upload-errors");
const waiting = [];
let working = 0;
let done = 0;
let total = 0;

function take(files) {
  if (!working) {
    done = total = 0;
    errors.replaceChildren();
  }
  waiting.push(...files);
  total += files.length;
  tell();
  while (working < AT_ONCE && waiting.length) work();
}

async function work() {
  working += 1;
  while (waiting.length) {
    const file = waiting.shift();
    const problem = await inspect(file);
    if (problem) {
      const item = document.createElement("li");
      item.textContent = problem.includes(file.name) ? problem : `${file.name}: ${problem}`;
      errors.append(item);
    }
    done += 1;
    tell();
  }
  working -= 1;
  tell();
}

/** Send one file, again as long as the station is busy or away. Gives a sentence when it cannot be inspected, else "". */
async function inspect(file) {
  const body = new FormData();
  body.append("images", file, file.name);
  const key = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16)).join("-");
  const headers = { "X-Blemish-Source": "page", "Idempotency-Key": key }; // the answer may be lost, too
  for (;;) {
    try {
      const answer = await ask(`/v1${at}/inspections`, { method: "POST", headers, body });
      return (await answer.json()).results[0].error;
    } catch (error) {
      if (error instanceof Refused && error.status !== 503) return sentence(error);
      if (!(await readable(file))) return "It cannot be read.";
      tell(sentence(error));
      await new Promise((go) => setTimeout(go, 1000 * (error.wait ?? PATIENCE)));
    }
  }
}

const readable = (file) => file.slice(0, 1).arrayBuffer().then(() => true, () => false);

function tell(reason = "") {
  panel.hidden = total === 0;
  bar.hidden = !working;
  bar.max = total;
  bar.value = done;
  const inspected = working ? done : done - errors.children.length;
  const pictures = total === 1 ? "picture" : "pictures";
  words.textContent = `${inspected} of ${total} ${pictures} inspected. ${reason && `Trying again: ${reason}`}`;
}

addEventListener("beforeunload", (event) => {
  if (working) event.preventDefault(); // what is not sent yet would be lost
});
input.addEventListener("change", () => {
  take([...input.files]);
  input.value = "";
});
addEventListener("dragover", (event) => {
  if (carriesFiles(event)) veil.hidden = false;
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) veil.hidden = true;
});
addEventListener("drop", async (event) => {
  if (!carriesFiles(event)) return;
  veil.hidden = true;
  const parts = [...event.dataTransfer.items].filter((item) => item.kind === "file");
  const dropped = parts.map((item) => item.webkitGetAsEntry() ?? item.getAsFile()); // gone after this event
  take((await Promise.all(dropped.map(filesOf))).flat());
});

/** The file that was dropped; of a folder all pictures in it and below it. */
async function filesOf(dropped) {
  if (dropped instanceof File) return [dropped];
  if (dropped.isFile) return [await new Promise((go, fail) => dropped.file(go, fail))];
  const reader = dropped.createReader();
  const entries = [];
  for (;;) {
    const some = await new Promise((go, fail) => reader.readEntries(go, fail)); // a hundred at most
    if (!some.length) break;
    entries.push(...some);
  }
  const files = (await Promise.all(entries.map(filesOf))).flat();
  return files.filter((file) => file.type.startsWith("image/"));
}
