// The live page: what is new slides in, once a second while somebody looks.

import { announce, at, connected, piece, Refused, swap } from "/static/station.js";
import "/static/upload.js";

const EVERY = 1000; // milliseconds
const ALL = 10; // every so many looks what was judged elsewhere is shown too

const live = document.getElementById("live");
const pause = document.getElementById("pause");
let newest = Number(live.dataset.newest);
let busy = false;
let looks = 0;

async function look() {
  if (busy || document.hidden || pause.ariaPressed === "true") return;
  busy = true;
  try {
    const all = looks % ALL === 0;
    looks += 1;
    const fresh = await piece(`${at}/live${all ? "" : `?after=${newest}`}`);
    connected(true);
    live.classList.remove("stale");
    if (fresh) show(fresh);
  } catch (error) {
    live.classList.add("stale"); // refused or lost: what is shown is no longer live
    connected(error instanceof Refused);
  } finally {
    busy = false;
  }
}

function show(fresh) {
  const latest = [...fresh.querySelectorAll("#strip > li")];
  const arrived = latest.filter((item) => !document.getElementById(item.id));
  const strip = document.getElementById("strip");
  swap(fresh, ...latest.filter((item) => !arrived.includes(item)).map((item) => item.id));
  for (const item of arrived.reverse()) {
    item.classList.add("arriving");
    strip.prepend(document.adoptNode(item));
  }
  while (strip.children.length > latest.length) strip.lastElementChild.remove();
  swap(fresh, "counters", "in-force", "latest", "changes");
  if (!arrived.length) return;
  newest = Number(strip.firstElementChild.id.replace("inspection-", ""));
  const shown = document.getElementById("latest");
  announce(`${shown.querySelector(".verdict").textContent}: ${shown.querySelector(".latest-name").textContent}`);
}

const main = document.getElementById("main");
const wall = document.getElementById("wall");
wall.hidden = !document.fullscreenEnabled;
wall.addEventListener("click", () => (document.fullscreenElement ? document.exitFullscreen() : main.requestFullscreen()));
document.addEventListener("fullscreenchange", () => {
  wall.textContent = document.fullscreenElement ? "Leave full screen" : "Full screen";
});
pause.hidden = false;
pause.addEventListener("click", () => {
  pause.ariaPressed = String(pause.ariaPressed !== "true");
  pause.querySelector("span").textContent = pause.ariaPressed === "true" ? "Go on" : "Pause";
  look();
});
setInterval(look, EVERY);
document.addEventListener("visibilitychange", look);
