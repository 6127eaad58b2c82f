// The false-alarm rate: what another one would have meant, and using it; calibrating from what was judged.

import { piece, send, sentence, swap } from "/static/station.js";

const PAUSE = 250; // milliseconds without a change before the preview is asked for

const form = document.getElementById("rate");
const percent = document.getElementById("percent");
const slide = document.getElementById("slide");
const words = document.getElementById("rate-words");
const use = form.querySelector("button");
let timer = 0;
let asked = 0;

const chosen = () => Number(percent.value) / 100;
const changed = () => Math.abs(chosen() - Number(form.dataset.rate)) > 1e-9;

function slideTo(rate) {
  slide.value = Math.log10(Math.max(10 ** slide.min, rate));
  slide.ariaValueText = `${rate} percent`;
}

/** Two significant digits: what a finger on a slider can mean. */
function fromSlide() {
  return Number((10 ** Number(slide.value)).toPrecision(2));
}

async function preview() {
  const box = document.getElementById("preview");
  asked += 1;
  const mine = asked;
  box.ariaBusy = "true";
  use.disabled = true;
  if (!percent.checkValidity()) {
    words.textContent = `A rate is between ${percent.min} % and ${percent.max} %.`;
    return;
  }
  try {
    const fresh = await piece(`/threshold/preview?false_alarm_rate=${chosen()}`);
    if (mine !== asked) return; // a later one is on its way
    swap(fresh, "preview");
    words.textContent = "";
    use.disabled = !changed();
  } catch (error) {
    words.textContent = sentence(error);
  }
}

function later() {
  clearTimeout(timer);
  timer = setTimeout(preview, PAUSE);
}

slide.addEventListener("input", () => {
  percent.value = fromSlide();
  slideTo(fromSlide());
  later();
});
percent.addEventListener("input", () => {
  slideTo(Number(percent.value));
  later();
});
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  use.disabled = true;
  try {
    const force = await change("PUT", "/v1/threshold", { false_alarm_rate: chosen() });
    words.textContent = `In use: the threshold is ${force.threshold.toPrecision(3)} from the next image on. ${force.note}`;
  } catch (error) {
    words.textContent = `Not changed: ${sentence(error)}`;
    use.disabled = false;
  }
});

/** Put something else in force, and show the page's other parts as they are then. */
async function change(method, address, body) {
  const force = await send(method, address, body);
  form.dataset.rate = String(force.false_alarm_rate);
  try {
    swap(await piece("/threshold"), "force", "learn", "calibrations");
    await preview();
  } catch {
    // it holds all the same, and the page tells by itself that the station is away
  }
  return force;
}

async function recalibrate(button) {
  button.disabled = true;
  let done = "";
  try {
    const force = await change("POST", "/v1/calibrations", { keep: button.dataset.keep === "yes" });
    done = `Calibrated from ${force.images} images: the threshold is ${force.threshold.toPrecision(3)} from the next image on. ${force.note}`;
  } catch (error) {
    done = `Not calibrated: ${sentence(error)}`;
    button.disabled = false;
  }
  document.getElementById("learn-words").textContent = done;
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-keep]");
  if (button) recalibrate(button);
});
slideTo(Number(percent.value));
preview();
