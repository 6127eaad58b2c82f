// Zooming into a picture: by buttons, wheel, dragging, arrows, two fingers and double tap.

const CLOSER = 3; // times, by a double tap
const MOST = 8; // times, and as many pixels of the screen for one of the picture
const ARROWS = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] }; // pixels of the screen

/** Gives the shown part in shares of the picture; `changed` is called when that is another. */
export function zooming(stage, changed) {
  const canvas = stage.querySelector("canvas");
  const view = { left: 0, top: 0, size: 1 };
  const fingers = new Map();

  /** Where the picture is on the screen, without the margins beside it. */
  function shown() {
    const box = canvas.getBoundingClientRect();
    const scale = Math.min(box.width / canvas.width, box.height / canvas.height);
    const [width, height] = [canvas.width * scale, canvas.height * scale];
    return { left: box.left + (box.width - width) / 2, top: box.top + (box.height - height) / 2, width, height };
  }

  function place(left, top) {
    view.left = Math.min(Math.max(left, 0), 1 - view.size);
    view.top = Math.min(Math.max(top, 0), 1 - view.size);
    stage.classList.toggle("zoomed", view.size < 1);
    changed();
  }

  function move(x, y) {
    const { width, height } = shown();
    place(view.left - (x / width) * view.size, view.top - (y / height) * view.size);
  }

  /** So many times as large, and a point of the screen, else the middle, stays where it is. */
  function zoom(times, point) {
    const { left, top, width, height } = shown();
    const [x, y] = point ? [(point.x - left) / width, (point.y - top) / height] : [0.5, 0.5];
    const before = view.size;
    view.size = Math.min(Math.max(before / times, Math.min(1, width / stage.dataset.width) / MOST), 1);
    place(view.left + x * (before - view.size), view.top + y * (before - view.size));
  }

  /** The middle of the fingers, and how far they are apart. */
  function gesture() {
    const [first, second = first] = fingers.values();
    return { x: (first.x + second.x) / 2, y: (first.y + second.y) / 2, apart: Math.hypot(first.x - second.x, first.y - second.y) || 1 };
  }

  for (const button of document.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", () => zoom(Number(button.dataset.zoom)));
  }
  canvas.addEventListener("wheel", (event) => {
    if (event.deltaY > 0 && view.size === 1) return; // the page scrolls on
    event.preventDefault();
    zoom(1.5 ** (-event.deltaY / 100), event);
  });
  canvas.addEventListener("dblclick", (event) => zoom(view.size < 1 ? 0 : CLOSER, event));
  canvas.addEventListener("pointerdown", (event) => fingers.set(event.pointerId, event));
  addEventListener("pointermove", (event) => {
    if (!fingers.has(event.pointerId)) return;
    const before = gesture();
    fingers.set(event.pointerId, event);
    const now = gesture();
    if (view.size < 1) move(now.x - before.x, now.y - before.y);
    if (fingers.size > 1) zoom(now.apart / before.apart, now);
  });
  for (const end of ["pointerup", "pointercancel"]) addEventListener(end, (event) => fingers.delete(event.pointerId));
  canvas.addEventListener("keydown", (event) => {
    if (view.size === 1 || !(event.key in ARROWS)) return;
    event.stopPropagation(); // no step to a neighbour
    event.preventDefault();
    move(...ARROWS[event.key]);
  });
  return view;
}
