// What every page does: ask the station, and show how it is.

const EVERY = 5000; // milliseconds between looks at the station's condition

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
  if (response.status === 401) {
    location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

/** JSON to a method of the API and back. */
export async function send(method, address, body) {
  const headers = { "Content-Type": "application/json" };
  return (await ask(address, { method, headers, body: JSON.stringify(body) })).json();
}

/** A sentence for whatever went wrong. */
export function sentence(error) {
  return error instanceof Refused ? error.message : "The station does not answer; check that it runs and the network.";
}

/** A piece of HTML from the station, or null when it has nothing new. */
export async function piece(address) {
  const response = await ask(address);
  if (response.status === 204) return null;
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

/** Put the elements of a piece in the place of those with the same id, where they differ. */
export function swap(fresh, ...ids) {
  for (const id of ids) {
    const old = document.getElementById(id);
    const next = fresh.getElementById(id);
    if (!old.isEqualNode(next)) old.replaceWith(document.adoptNode(next));
  }
}

/** Tell screen readers. */
export function announce(words) {
  document.getElementById("announcer").textContent = words;
}

/** Tell that the connection is lost, or back. */
export function connected(is) {
  let banner = document.getElementById("lost");
  if (is) {
    if (banner) announce("The connection is back.");
    banner?.remove();
  } else if (!banner) {
    banner = document.createElement("p");
    banner.id = "lost";
    banner.className = "banner down";
    banner.setAttribute("role", "alert");
    banner.textContent = "The station does not answer. This page goes on trying and recovers by itself.";
    document.getElementById("main").prepend(banner);
  }
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

setInterval(look, EVERY);
document.addEventListener("visibilitychange", look);
