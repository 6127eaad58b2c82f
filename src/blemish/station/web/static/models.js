// Load and use models.

import { announce, send, sentence } from "/static/station.js";

const words = document.getElementById("model-words");
const DOING = { load: "Loading…", use: "Switching…" };

for (const button of document.querySelectorAll("button[data-do]")) {
  button.addEventListener("click", async () => {
    const { name, do: what } = button.dataset;
    words.hidden = true;
    for (const other of document.querySelectorAll("button[data-do]")) other.disabled = true;
    const before = button.textContent;
    button.textContent = DOING[what];
    announce(`${DOING[what]} ${name}`);
    try {
      await send("POST", `/v1/models/${encodeURIComponent(name)}/${what}`);
      location.reload();
    } catch (error) {
      words.textContent = sentence(error);
      words.hidden = false;
      button.textContent = before;
      for (const other of document.querySelectorAll("button[data-do]")) other.disabled = false;
    }
  });
}
