// A picture under its heat map, drawn as `blemish.images.drawing` draws it, the part that a view shows.

import { ask } from "/static/station.js";

const GREY = [0.299, 0.587, 0.114];
const OUTLINES = 320; // an outline is this part of the longer side
const SHARP = 2; // pixels drawn for one of the page's; more would make dragging slow

/** The bitmap of an image address. */
async function bitmap(address) {
  return createImageBitmap(await (await ask(address)).blob());
}

/** The pixels of what a view, in shares of a bitmap, shows: RGBA, four bytes each, so many of them. */
function pixels(image, { left, top, size }, width, height) {
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(image, left * image.width, top * image.height, size * image.width, size * image.height, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

/** Loads what a stage names, and gives what draws it: draw({opacity 0..1, level 1..255, original, view}). For views of a part
 * the picture is loaded in its own resolution; `loaded` is called when it is there, or with why not. */
export async function picture(stage, loaded) {
  const { picture: address, heat: map } = stage.dataset;
  const [own, side] = [Number(stage.dataset.width), Number(stage.dataset.side)];
  const [small, warm] = await Promise.all([address, map].map((one) => bitmap(`${one}?side=${side}`)));
  let sharp = small;
  let asked = own <= small.width;
  const outlines = JSON.parse(stage.dataset.outlines); // in pixels of the original
  const colours = Uint8Array.from(stage.dataset.colours.match(/../g), (digits) => parseInt(digits, 16));
  const canvas = stage.querySelector("canvas");
  const context = canvas.getContext("2d");

  async function sharpen() {
    asked = true;
    try {
      sharp = await bitmap(address);
      loaded();
    } catch (error) {
      asked = false; // the next step tries again
      loaded(error);
    }
  }

  return ({ opacity, level, original, view }) => {
    if (view.size < 1 && !asked) sharpen();
    const screen = Math.min(side, canvas.clientWidth * Math.min(devicePixelRatio, SHARP));
    canvas.width = view.size < 1 ? Math.round(screen) : small.width;
    canvas.height = Math.round((canvas.width * small.height) / small.width);
    const whole = pixels(view.size < 1 ? sharp : small, view, canvas.width, canvas.height);
    if (original) {
      context.putImageData(whole, 0, 0);
      return;
    }
    const heat = pixels(warm, view, canvas.width, canvas.height);
    const drawn = new ImageData(whole.width, whole.height);
    for (let at = 0; at < drawn.data.length; at += 4) {
      const warmth = heat.data[at];
      const cover = opacity * Math.min((1.5 * warmth) / 255, 1);
      const grey = GREY[0] * whole.data[at] + GREY[1] * whole.data[at + 1] + GREY[2] * whole.data[at + 2];
      const unseen = heat.data[at + 3] ? null : grey / 2 + 90 * hatched(at / 4, whole);
      for (let channel = 0; channel < 3; channel += 1) {
        drawn.data[at + channel] =
          unseen ?? (1 - cover) * whole.data[at + channel] + cover * colours[3 * warmth + channel];
      }
      drawn.data[at + 3] = 255;
    }
    outline(drawn, heat, level);
    context.putImageData(drawn, 0, 0);
    if (opacity > 0) outlineRegions(context, outlines, canvas.width / own / view.size, view);
  };
}

/** Cyan lines in black ones along polygons, whose points are multiplied by a scale, in a view. */
function outlineRegions(context, polygons, scale, { left, top, size }) {
  const { width, height } = context.canvas;
  const path = new Path2D();
  for (const polygon of polygons) {
    const ring = new Path2D();
    for (const [x, y] of polygon) ring.lineTo(x * scale - (left * width) / size, y * scale - (top * height) / size);
    ring.closePath();
    path.addPath(ring);
  }
  const line = Math.max(1, Math.round(Math.max(width, height) / OUTLINES));
  for (const [colour, thickness] of [["black", 3 * line], ["cyan", line]]) {
    context.strokeStyle = colour;
    context.lineWidth = thickness;
    context.stroke(path);
  }
}

/** Whether a line of the hatching, for what the model did not see, runs through a pixel. */
function hatched(at, { width, height }) {
  const spacing = Math.max(4, Math.floor(Math.max(width, height) / 40));
  return ((at % width) + Math.floor(at / width)) % spacing < spacing / 4;
}

/** A white line around what is hotter than a level, in a black one. */
function outline(drawn, heat, level) {
  const { width, height } = heat;
  let inside = new Uint8Array(width * height);
  for (let at = 0; at < inside.length; at += 1) inside[at] = heat.data[4 * at] > level;
  const thick = Math.max(1, Math.round(Math.max(width, height) / 320)); // pixels, to be seen when shown small
  for (const shade of [255, 0]) {
    let grown = inside;
    for (let times = 0; times < thick; times += 1) grown = grow(grown, width);
    for (let at = 0; at < grown.length; at += 1) {
      if (grown[at] && !inside[at]) drawn.data.fill(shade, 4 * at, 4 * at + 3);
    }
    inside = grown;
  }
}

/** Every pixel that touches the mask, diagonally too. */
function grow(mask, width) {
  const rows = mask.slice();
  for (let at = 0; at < mask.length; at += 1) {
    const column = at % width;
    rows[at] = mask[at] | (column > 0 && mask[at - 1]) | (column < width - 1 && mask[at + 1]);
  }
  const grown = rows.slice();
  for (let at = 0; at < mask.length; at += 1) grown[at] |= rows[at - width] | rows[at + width];
  return grown;
}
