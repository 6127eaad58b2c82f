// What every page does: ask the station, and show how it is.

const FOCUSED = "a, button, input, summary";
export const at = document.getElementById("main").dataset.at; // begins the addresses of the recipe's pages
const EVERY = 5000; // milliseconds between looks at the station's condition
const PATIENCE = 10000; // milliseconds: a piece that takes longer counts as no connection

/** An answer that is not a success; `sentence` is for people, `wait` in seconds or null. */
export class Refused extends Error {
  constructor(status, sentence, wait) {
    super(sentence);
    this.status = status;
    this.wait = wait;
  }
}

/** The response of the station. Throws Refused, or TypeError where there is no connection. */
export async function ask(address, options = {}) {
  const response = await fetch(address, options);
  if (response.status === 401) loggedOut();
  if (!response.ok) throw await refusal(response);
  return response;
}

/** JSON to a method of the API and back; it gets there even when the page is left meanwhile. */
export async function send(method, address, body) {
  const headers = { "Content-Type": "application/json" };
  return (await ask(address, { method, headers, body: JSON.stringify(body), keepalive: true })).json();
}

/** The same for what changes a threshold, a model or rules, once the person agrees to `what`; where people log in they say why. */
export async function change(what, method, address, body) {
  const login = document.querySelector("[data-asks-why]");
  const why = login ? prompt(`${what}\nWhy? A sentence for the audit trail:`) : confirm(what) || null;
  if (why === null) throw new Refused(0, "nothing was changed.", null);
  return send(method, login ? `${address}?why=${encodeURIComponent(why)}` : address, body);
}

/** A sentence for whatever went wrong. */
export function sentence(error) {
  return error instanceof Refused ? error.message : "The station does not answer; check that it runs and the network.";
}

/** A piece of HTML from the station, or null when it has nothing new. */
export async function piece(address) {
  const response = await ask(address, { signal: AbortSignal.timeout(PATIENCE) });
  if (response.status === 204) return null;
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

/** Put the elements of a piece in the place of those with the same id, where they differ. */
export function swap(fresh, ...ids) {
  for (const id of ids) {
    const old = document.getElementById(id);
    const next = fresh.getElementById(id);
    if (old.isEqualNode(next)) continue;
    const place = [...old.querySelectorAll(FOCUSED)].indexOf(document.activeElement);
    old.replaceWith(document.adoptNode(next));
    next.querySelectorAll(FOCUSED)[place]?.focus(); // where it was
  }
}

/** Tell screen readers. */
export function announce(words) {
  document.getElementById("announcer").textContent = words;
}

/** Tell that the connection is lost, or back; whoever waits for it hears "back". */
export function connected(is) {
  document.body.classList.toggle("stale", !is);
  if (!is) {
    const since = new Date().toTimeString().slice(0, 8);
    banner("lost", `No connection since ${since}: nothing here is live. This page goes on trying and recovers by itself.`);
    const pill = document.getElementById("pill");
    pill.className = "pill down";
    pill.querySelector("summary").lastChild.textContent = " No answer";
  } else if (document.getElementById("lost")) {
    document.getElementById("lost").remove();
    announce("The connection is back.");
    document.dispatchEvent(new Event("back"));
  }
}

function banner(id, words, ...more) {
  if (document.getElementById(id)) return;
  const element = document.createElement("p");
  element.id = id;
  element.className = "banner down fixed";
  element.setAttribute("role", "alert");
  element.append(words, ...more);
  document.getElementById("main").prepend(element);
}

/** The login has ended; what is typed here stays until the person goes to the login. */
function loggedOut() {
  const link = document.createElement("a");
  link.href = `/login?next=${encodeURIComponent(location.pathname + location.search)}`;
  link.textContent = "Log in again";
  banner("logged-out", "The login is no longer valid. ", link);
}

async function refusal(response) {
  let words = `The station answered with status ${response.status}.`;
  try {
    words = (await response.json()).detail ?? words;
  } catch {
    // no JSON: the status says enough
  }
  const wait = Number(response.headers.get("Retry-After"));
  return new Refused(response.status, words, wait > 0 ? wait : null);
}

async function look() {
  if (document.hidden) return;
  try {
    const fresh = await piece("/condition");
    connected(true);
    const pill = fresh.getElementById("pill");
    pill.open = document.getElementById("pill").open;
    swap(fresh, "pill", "banners");
  } catch (error) {
    connected(error instanceof Refused);
  }
}

/** Whether files are dragged, not text. */
export const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");

for (const kind of ["dragover", "drop"]) {
  addEventListener(kind, (event) => {
    if (carriesFiles(event)) event.preventDefault(); // else the browser leaves the page for the file
  });
}
for (const folded of document.querySelectorAll("details.folded")) folded.open = !matchMedia("(max-width: 700px)").matches;
setInterval(look, EVERY);
document.addEventListener("visibilitychange", look);
document.addEventListener("back", look);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") document.getElementById("pill").open = false;
});
