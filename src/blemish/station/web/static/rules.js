// Rules of a model: zones drawn on a picture, sizes and rates, what they do to good parts, and putting them in force.

import { at, change, send, sentence } from "/static/station.js";

const PAUSE = 300; // milliseconds without a change before the preview is asked for
const NEAR = 10; // pixels of the screen within which a click means the first corner

const board = document.getElementById("board");
const drawn = document.getElementById("zones");
const form = document.getElementById("say");
const list = document.getElementById("list");
const words = document.getElementById("words");
const alarms = document.getElementById("alarms");
const use = form.querySelector("button.primary");
const values = JSON.parse(document.getElementById("rules").dataset.values);
const picture = [board.viewBox.baseVal.width, board.viewBox.baseVal.height];

const zones = values.zone ?? [];
drawn.setAttribute("font-size", picture[0] / 30);
let corners = null; // of the zone being drawn
let timer = 0;
let asked = 0;

function shape(kind, attributes, parent = drawn) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", kind);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  parent.append(element);
  return element;
}

function redraw() {
  drawn.replaceChildren();
  for (const zone of zones.filter((one) => one.polygon)) {
    shape("polygon", { points: zone.polygon.join(" "), class: zone.look === false ? "ignored" : "counts" });
    const [x, y] = [0, 1].map((axis) => zone.polygon.reduce((sum, at) => sum + at[axis], 0) / zone.polygon.length);
    shape("text", { x, y }).textContent = zone.name;
  }
  if (corners) {
    shape("polyline", { points: corners.join(" "), class: "open" });
    for (const [cx, cy] of corners) shape("circle", { cx, cy, r: picture[0] / 160 });
  }
  document.getElementById("draw").disabled = corners !== null;
  document.getElementById("cancel").disabled = corners === null;
  document.getElementById("close").disabled = (corners?.length ?? 0) < 3;
}

/** One row of fields for each zone, in the order of the file. */
function relist() {
  list.replaceChildren();
  for (const zone of zones) {
    const row = document.getElementById("zone").content.firstElementChild.cloneNode(true);
    const [name, look, strictness] = ["name", "look", "strictness"].map((field) => row.querySelector(`[name=${field}]`));
    name.value = zone.name;
    look.value = zone.look === false ? "no" : "yes";
    strictness.value = zone.strictness ?? 1;
    strictness.disabled = zone.look === false;
    row.addEventListener("input", () => {
      zone.name = name.value;
      zone.look = look.value === "yes";
      strictness.disabled = !zone.look;
      if (!zone.look) strictness.value = 1;
      zone.strictness = Number(strictness.value);
      redraw();
    });
    row.querySelector("button").addEventListener("click", () => {
      zones.splice(zones.indexOf(zone), 1);
      show();
    });
    list.append(row);
  }
}

function show() {
  relist();
  redraw();
  later();
}

function finish() {
  if (corners.length < 3) return;
  let number = zones.length + 1;
  while (zones.some((zone) => zone.name === `zone ${number}`)) number += 1;
  zones.push({ name: `zone ${number}`, polygon: corners });
  corners = null;
  words.textContent = "The zone is drawn; name it, and say whether defects there count.";
  show();
  list.lastElementChild.querySelector("[name=name]").select();
}

function cancel() {
  corners = null;
  words.textContent = "";
  redraw();
}

function corner(event) {
  if (!corners) return;
  const toPicture = board.getScreenCTM().inverse();
  const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(toPicture);
  const [x, y] = [at.x, at.y].map((value, axis) => Math.round(10 * Math.min(Math.max(value, 0), picture[axis])) / 10);
  if (corners.length > 2 && Math.hypot(x - corners[0][0], y - corners[0][1]) < NEAR * toPicture.a) return finish();
  corners.push([x, y]);
  redraw();
}

/** A number where it is one, else the text; undefined where the field is empty, which JSON leaves out. */
function given(name, factor = 1) {
  const text = form.elements[name].value.trim();
  if (text === "") return undefined;
  return Number.isNaN(Number(text)) ? text : Number((factor * Number(text)).toPrecision(12));
}

function said() {
  return {
    picture,
    elsewhere: form.elements.elsewhere.checked,
    scale: form.elements.scale.value.trim() || undefined,
    smallest_length: given("smallest_length"),
    smallest_area: given("smallest_area"),
    defective: given("defective", 0.01),
    look_again: given("look_again", 0.01),
    zone: zones,
  };
}

async function preview() {
  asked += 1;
  const mine = asked;
  use.disabled = true;
  try {
    const found = await send("POST", `/v1${at}/rules/preview`, said());
    if (mine !== asked) return; // a later one is on its way
    const again = found.look_again ? `, and ${found.look_again} to look at again` : "";
    alarms.textContent = `Of ${found.images} held-out good parts ${found.defective} would be defective${again}.`;
    use.disabled = false;
  } catch (error) {
    if (mine === asked) alarms.textContent = sentence(error);
  }
}

function later() {
  clearTimeout(timer);
  asked += 1; // an answer on its way is of other values
  use.disabled = true;
  timer = setTimeout(preview, PAUSE);
}

form.addEventListener("input", later);
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  use.disabled = true;
  try {
    await change("Let these rules decide on every picture from now on?", "PUT", `/v1${at}/rules`, said());
    alarms.textContent = "In force from the next image on.";
  } catch (error) {
    alarms.textContent = `Not saved: ${sentence(error)}`;
    use.disabled = false;
  }
});
board.addEventListener("click", corner);
document.getElementById("draw").addEventListener("click", () => {
  corners = [];
  words.textContent = "Click on each corner; on the first one again to close the zone.";
  redraw();
});
document.getElementById("close").addEventListener("click", finish);
document.getElementById("cancel").addEventListener("click", cancel);
document.addEventListener("keydown", (event) => {
  if (!corners || event.target.closest("input, select")) return;
  if (event.key === "Escape") cancel();
  if (event.key === "Enter" && event.target.localName !== "button") finish();
});
for (const name of ["scale", "smallest_length", "smallest_area"]) form.elements[name].value = values[name] ?? "";
for (const name of ["defective", "look_again"]) {
  if (values[name]) form.elements[name].value = Number((100 * values[name]).toPrecision(12));
}
form.elements.elsewhere.checked = values.elsewhere ?? true;
show();
