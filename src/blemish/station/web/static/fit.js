// Fit a model: begin, look how far it is, stop.

import { at, connected, piece, send, sentence, swap } from "/static/station.js";

const EVERY = 2000; // milliseconds between looks while a fit runs
const words = document.getElementById("model-words");

async function look() {
  try {
    swap(await piece(`${at}/models/fit`), "fits");
    connected(true);
  } catch {
    connected(false); // the next look may reach it
  }
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-send]");
  if (!button) return;
  button.disabled = true;
  words.hidden = true;
  try {
    await send("POST", button.dataset.send);
  } catch (error) {
    words.textContent = sentence(error);
    words.hidden = false;
  }
  look();
});
setInterval(() => {
  if (!document.hidden && document.querySelector("[data-running]")) look();
}, EVERY);
