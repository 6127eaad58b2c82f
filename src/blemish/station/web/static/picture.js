// A picture under its heat map, drawn as `blemish.pictures` draws it, with two sliders.

const GREY = [0.299, 0.587, 0.114];

/** The pixels of an image address: RGBA, four bytes each, with width and height. */
async function pixels(address) {
  const image = new Image();
  image.src = address;
  await image.decode();
  const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

/** Loads what a stage names, and gives what draws it: draw({opacity 0..1, level 1..255, original}). */
export async function picture(stage) {
  const [frame, heat] = await Promise.all([pixels(stage.dataset.frame), pixels(stage.dataset.heat)]);
  const colours = Uint8Array.from(stage.dataset.colours.match(/../g), (digits) => parseInt(digits, 16));
  const canvas = stage.querySelector("canvas");
  canvas.width = frame.width;
  canvas.height = frame.height;
  const context = canvas.getContext("2d");

  return ({ opacity, level, original }) => {
    if (original) {
      context.putImageData(frame, 0, 0);
      return;
    }
    const drawn = new ImageData(frame.width, frame.height);
    for (let at = 0; at < drawn.data.length; at += 4) {
      const warmth = heat.data[at];
      const cover = opacity * Math.min((2 * warmth) / 255, 1);
      const grey = GREY[0] * frame.data[at] + GREY[1] * frame.data[at + 1] + GREY[2] * frame.data[at + 2];
      for (let channel = 0; channel < 3; channel += 1) {
        drawn.data[at + channel] = (1 - cover) * grey + cover * colours[3 * warmth + channel];
      }
      drawn.data[at + 3] = 255;
    }
    outline(drawn, heat, level);
    context.putImageData(drawn, 0, 0);
  };
}

/** A white line around what is hotter than a level, in a black one. */
function outline(drawn, heat, level) {
  const { width, height } = heat;
  let inside = new Uint8Array(width * height);
  for (let at = 0; at < inside.length; at += 1) inside[at] = heat.data[4 * at] > level;
  const thick = Math.max(1, Math.round(Math.min(width, height) / 500)); // pixels, to be seen when shown small
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
