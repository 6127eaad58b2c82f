// The false-alarm rate: what another one would have meant, and using it; calibrating from what was judged.

import { at, change as ask, piece, sentence, swap } from "/static/station.js";

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
    const fresh = await piece(`${at}/threshold/preview?false_alarm_rate=${chosen()}`);
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
  slide.ariaValueText = `${percent.value} percent`;
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
    const force = await change(`Allow ${percent.value} % of good parts to be flagged, from the next picture on?`, "PUT", `/v1${at}/threshold`, { false_alarm_rate: chosen(), ...expected() });
    words.textContent = `In use: the threshold is ${force.threshold.toPrecision(3)} from the next image on. ${force.note}`;
  } catch (error) {
    words.textContent = `Not changed: ${sentence(error)}`;
    use.disabled = false;
  }
});

/** What this page shows as being in force; if it no longer is, nothing is changed. */
const expected = () => ({ calibration: Number(form.dataset.calibration) });

/** Put something else in force, and show the page's other parts as they are then. */
async function change(what, method, address, body) {
  const force = await ask(what, method, address, body);
  percent.value = Number((100 * force.false_alarm_rate).toPrecision(4));
  slideTo(Number(percent.value));
  form.dataset.rate = String(force.false_alarm_rate);
  form.dataset.calibration = String(force.calibration);
  try {
    swap(await piece(`${at}/threshold`), "force", "learn", "calibrations");
    await preview();
  } catch {
    // it holds all the same, and the page tells by itself that the station is away
  }
  return force;
}

/** Calibrate anew at the touch of a button, and say in the element of this id what came of it. */
async function calibrate(what, button, place, address, body) {
  button.disabled = true;
  let done = "";
  try {
    const force = await change(what, "POST", address, body);
    done = `Calibrated from ${force.images} images: the threshold is ${force.threshold.toPrecision(3)} from the next image on. ${force.note}`;
  } catch (error) {
    done = `Not calibrated: ${sentence(error)}`;
    button.disabled = false;
  }
  document.getElementById(place).textContent = done;
}

/** What is asked before images alone set the threshold; so few may not keep the rate. */
function alone(images) {
  const least = Math.ceil(1 / Number(form.dataset.rate)) - 1;
  const few = images < least ? `${images} images cannot keep the false-alarm rate; ${least} could. ` : "";
  return `${few}Calibrate from them alone? The calibrations below are the way back.`;
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.dataset.again) {
    calibrate(`Use calibration ${button.dataset.again} from the next picture on?`, button, "again-words", `/v1${at}/calibrations/${button.dataset.again}/use`);
  } else if (button?.dataset.keep === "yes") {
    calibrate("Add the images judged good to the calibration?", button, "learn-words", `/v1${at}/calibrations`, { keep: true, ...expected() });
  } else if (button?.dataset.keep === "no") {
    calibrate(alone(Number(button.dataset.images)), button, "learn-words", `/v1${at}/calibrations`, { keep: false, ...expected() });
  }
});
document.addEventListener("back", preview);
slideTo(Number(percent.value));
preview();
