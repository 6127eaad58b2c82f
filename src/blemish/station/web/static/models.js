// Use another model, or the same one's file anew.

import { announce, at, change, sentence } from "/static/station.js";

const words = document.getElementById("model-words");

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-model]");
  if (!button) return;
  const buttons = document.querySelectorAll("button[data-model]");
  const name = button.dataset.model;
  words.hidden = true;
  for (const one of buttons) one.disabled = true;
  const before = button.textContent;
  button.textContent = "Loading…";
  announce(`Loading ${name}`);
  try {
    await change(`Use ${name} for every picture from now on?`, "POST", `/v1${at}/models/${encodeURIComponent(name)}/use`);
    location.reload();
  } catch (error) {
    words.textContent = sentence(error);
    words.hidden = false;
    button.textContent = before;
    for (const one of buttons) one.disabled = false;
  }
});
