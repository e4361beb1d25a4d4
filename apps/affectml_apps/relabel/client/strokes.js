// Strokes of one finger on the image: up zooms in, down zooms back, along the lines goes to the image before, against
// them forward again; two taps zoom as well. Pinching, and scrolling while it is zoomed in, stay the browser's.

import { direction } from "./texts.js";

const FAR = 40; // px
const NEAR = 12; // px: a finger that stays there taps
const QUICK_MS = 700; // whoever takes longer is not sure of it
const TWICE_MS = 350; // between two taps

// stroke(what, point): "in", "out", "back", "forward", or "tap" at a point, both in parts of the image.
export function strokes(stage, stroke) {
  let from = null; // where the finger came down
  let tapped = null;
  // Where the page itself is zoomed in, one finger moves it: the style has that from here.
  const pinched = () => stage.toggleAttribute("data-pinched", (visualViewport?.scale ?? 1) >= 1.01);
  const at = ({ clientX, clientY }, event) => ({ x: clientX, y: clientY, time: event.timeStamp });

  stage.addEventListener("touchstart", (event) => {
    const alone = event.touches.length === 1 && !pinched();
    from = alone ? { ...at(event.touches[0], event), top: stage.scrollTop <= 0 } : null;
  }, { passive: true });

  stage.addEventListener("touchend", (event) => {
    if (pinched() || from === null || event.touches.length > 0) return;
    const to = at(event.changedTouches[0], event);
    const [right, down] = [to.x - from.x, to.y - from.y];
    const far = Math.max(Math.abs(right), Math.abs(down));
    const { top, time } = from;
    from = null;
    if (to.time - time > QUICK_MS) return;
    if (far < NEAR) {
      const twice = tapped !== null && to.time - tapped.time < TWICE_MS && Math.hypot(to.x - tapped.x, to.y - tapped.y) < FAR;
      if (twice) stroke("tap", part(stage, to));
      tapped = twice ? null : to;
    } else if (far >= FAR && Math.abs(down) > 2 * Math.abs(right)) {
      if (down < 0) stroke("in");
      else if (top) stroke("out"); // further down it scrolls
    } else if (far >= FAR && Math.abs(right) > 2 * Math.abs(down) && stage.dataset.zoom === "fit") {
      stroke((right > 0) === (direction() === "ltr") ? "back" : "forward");
    }
  }, { passive: true });

  stage.addEventListener("touchcancel", () => {
    pinched();
    from = null;
  });
}

function part(stage, { x, y }) {
  const box = stage.firstChild?.getBoundingClientRect();
  return box && [(x - box.left) / box.width, (y - box.top) / box.height];
}
