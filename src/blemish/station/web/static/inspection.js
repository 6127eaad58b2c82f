// One inspection: its picture, what a person says of it, and the keys for both.

import { connected, send, sentence } from "/static/station.js";
import { picture } from "/static/picture.js";
import { zooming } from "/static/zoom.js";

const GO_ON = "go-on"; // in the session's storage
const WORDS = { good: "Judged good, just now.", defect: "Judged a defect, just now.", "": "The judgement is cleared." };

const page = document.getElementById("inspection");
const said = document.getElementById("said");
const note = document.getElementById("note");
const kind = document.getElementById("kind");
const goOn = document.getElementById("go-on");
const keys = document.getElementById("keys");
const original = document.getElementById("original");
const closer = document.getElementById("closer");

let saved = note.value;
let queue = Promise.resolve(); // of what is saved, one after the other
let waiting = 0; // in it
let leaving = false;

/** Save what was said, once all before it is saved. Gives whether it was. */
function keep(what, words) {
  const before = saved;
  saved = note.value;
  waiting += 1;
  said.textContent = "Saving…";
  queue = queue.then(async () => {
    try {
      await send("PUT", `/v1/inspections/${page.dataset.id}/feedback`, what);
      connected(true);
      said.textContent = words;
      return true;
    } catch (error) {
      saved = before;
      said.textContent = `Not saved: ${sentence(error)}`;
      return false;
    } finally {
      waiting -= 1;
    }
  });
  return queue;
}

function keepNote() {
  if (note.value !== saved) keep({ note: note.value }, "The note is saved.");
}

async function judge(feedback) {
  if (leaving) return;
  if (feedback !== "defect") kind.value = "";
  const what = { feedback: feedback || null, defect_kind: kind.value };
  if (note.value !== saved) what.note = note.value;
  if (!(await keep(what, WORDS[feedback]))) return;
  for (const button of page.querySelectorAll("[data-say]")) {
    if (button.dataset.say) button.ariaPressed = String(button.dataset.say === feedback);
    else button.disabled = !feedback;
  }
  if (waiting || !goOn.checked || !feedback) return;
  if (!step("next")) said.textContent += " This was the last one.";
}

function step(id) {
  const link = document.getElementById(id);
  if (link) location.assign(link.href);
  leaving = link !== null;
  return leaving;
}

const ON_KEY = {
  g: () => judge("good"),
  d: () => judge("defect"),
  u: () => judge(""),
  n: () => step("next"),
  ArrowRight: () => step("next"),
  p: () => step("previous"),
  ArrowLeft: () => step("previous"),
  k: () => kind.focus(),
  o: () => original?.click(),
  "+": () => closer?.click(),
  "=": () => closer?.click(), // the same key without Shift
  "-": () => document.getElementById("further")?.click(),
  0: () => document.getElementById("whole")?.click(),
  "?": () => keys.showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.target === kind && event.key === "Enter") judge("defect");
  const own = event.target === note || event.target === kind || (event.target.type === "range" && event.key.startsWith("Arrow"));
  if (own || keys.open || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const act = ON_KEY[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!act) return;
  event.preventDefault();
  act();
});
for (const button of page.querySelectorAll("[data-say]")) {
  button.addEventListener("click", () => judge(button.dataset.say));
}
document.getElementById("keep-note").addEventListener("click", keepNote);
note.addEventListener("change", keepNote);
addEventListener("beforeunload", (event) => {
  if (note.value !== saved) event.preventDefault();
});
addEventListener("pageshow", () => {
  leaving = false; // back from the next one
});
document.getElementById("show-keys").addEventListener("click", () => keys.showModal());
document.getElementById("feedback").addEventListener("submit", (event) => event.preventDefault());
const inReview = new URLSearchParams(location.search).has("review");
goOn.checked = (sessionStorage.getItem(GO_ON) ?? (inReview ? "yes" : "")) === "yes";
goOn.addEventListener("change", () => sessionStorage.setItem(GO_ON, goOn.checked ? "yes" : ""));

async function show(stage) {
  const zoomed = document.getElementById("zoom-words");
  const draw = await picture(stage, (error) => {
    if (error) zoomed.textContent = `Not sharp: ${sentence(error)}`;
    else ask();
  });
  const controls = document.getElementById("controls");
  const view = zooming(stage, ask);
  const { opacity, level } = controls.elements;
  let asked = false;
  for (const slider of [opacity, level]) slider.value = sessionStorage.getItem(slider.id) ?? slider.defaultValue;

  function redraw() {
    asked = false;
    const share = Number(level.value) / 255;
    const times = (2 ** (3 * share) - 1).toFixed(1); // of the distance from a typical peak to the alarm
    const words = level.value === level.defaultValue ? "the alarm level" : `${times} times the alarm level`;
    document.getElementById("opacity-words").textContent = `${opacity.value} %`;
    document.getElementById("level-words").textContent = words;
    level.ariaValueText = words;
    zoomed.textContent = `${Math.round(100 / view.size)} %`;
    draw({ opacity: opacity.value / 100, level: Number(level.value), original: original.ariaPressed === "true", view });
  }

  function ask() {
    if (!asked) requestAnimationFrame(redraw);
    asked = true;
  }

  original.addEventListener("click", () => {
    original.ariaPressed = String(original.ariaPressed !== "true");
    ask();
  });
  controls.addEventListener("input", (event) => {
    sessionStorage.setItem(event.target.id, event.target.value); // for the next one too
    ask();
  });
  controls.addEventListener("submit", (event) => event.preventDefault());
  stage.querySelector("img").hidden = true;
  stage.querySelector("canvas").hidden = false;
  for (const row of [controls, document.getElementById("tools")]) row.hidden = false;
  redraw();
}

const stage = document.querySelector("#stage[data-picture]");
if (stage) show(stage).catch(() => {}); // the overlay from the station stays
