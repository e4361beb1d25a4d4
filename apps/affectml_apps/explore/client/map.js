// The map: every image a point, drawn pixel by pixel. Drag moves, Shift or the lasso tool surrounds, wheel, pinch,
// buttons and keys zoom; what is not shown is faint, and so is what fits a search less.

import { button, make } from "./elements.js";

const REACH = 12; // px around the pointer
const FAINT = 0.16;
const CORNERS = 48; // of a lasso, at most: it stands in the address
const SHOWN = 255;
const HIDDEN = { light: "#595959", dark: "#bfbfbf" }; // the colour of what is not shown

export class PointMap {
  // on: lasso(corners or null), open(index), hover(index or -1, x, y), say(text)
  constructor(on) {
    this.on = on;
    this.points = make("canvas", { class: "points", "aria-hidden": "true" });
    this.over = make("canvas", { class: "over", "aria-hidden": "true" });
    this.stage = make("div", {
      class: "stage", tabindex: "0", role: "application",
      "aria-label": "Map. Arrows move, plus and minus zoom, 0 shows all, r begins a rectangle, Escape lets go",
    }, this.points, this.over);
    this.lassoTool = button("Lasso", { "aria-pressed": "false", title: "Surround images by dragging (also: Shift and drag)", onclick: () => this.useLasso(!this.lassoing) });
    this.tools = make("div", { class: "tools" }, this.lassoTool,
      button("+", { "aria-label": "Zoom in", onclick: () => this.zoomAt(1.5) }),
      button("−", { "aria-label": "Zoom out", onclick: () => this.zoomAt(1 / 1.5) }),
      button("All", { "aria-label": "Show all of the map", onclick: () => this.reset() }));
    this.element = make("div", { class: "plane" }, this.stage, this.tools);
    this.xy = new Float32Array(0);
    this.count = 0;
    this.codes = this.shown = new Uint8Array(0);
    this.palette = [];
    this.lasso = this.rectangle = this.drawn = null;
    this.marked = this.hovered = -1;
    this.centre = [0.5, 0.5];
    this.scale = 1;
    this.pointers = new Map();
    this.lassoing = false;
    for (const type of ["pointerdown", "pointermove", "pointerup", "pointercancel", "pointerleave", "wheel", "keydown"]) {
      this.stage.addEventListener(type, (event) => this[type](event), { passive: false });
    }
    this.resize = new ResizeObserver(() => this.fit());
    this.resize.observe(this.stage);
  }

  close() {
    this.resize.disconnect();
  }

  // What is drawn

  setPoints(xy) {
    this.xy = xy;
    const n = xy.length / 2;
    if (this.shown.length !== n) this.setShown(new Uint8Array(n).fill(SHOWN));
    if (this.codes.length !== n) this.codes = new Uint8Array(n);
    for (let i = 0; i < 2 * n; i++) if (Number.isNaN(xy[i])) xy[i] = -9; // no embedding: nowhere
    this.draw();
  }

  // palette: 256 colours as in CSS, by code
  setColours(codes, palette) {
    if (codes) this.codes = codes;
    this.palette = palette;
    this.draw();
  }

  // mask: of each image 0 where it is not shown, else from 1 to 255 how much of its colour it has
  setShown(mask) {
    if (mask.length === this.shown.length && mask.every((each, at) => each === this.shown[at])) return; // in another order
    this.shown = mask;
    this.count = mask.reduce((sum, each) => sum + (each > 0 ? 1 : 0), 0);
    this.draw();
  }

  setLasso(corners) {
    this.lasso = corners?.length ? corners : null;
    this.draw(true);
  }

  mark(index) {
    this.marked = index;
    this.draw(true);
  }

  fit() {
    const ratio = devicePixelRatio || 1;
    this.width = this.stage.clientWidth;
    this.height = this.stage.clientHeight;
    for (const canvas of [this.points, this.over]) {
      canvas.width = Math.max(1, Math.round(this.width * ratio));
      canvas.height = Math.max(1, Math.round(this.height * ratio));
    }
    this.points.stale = true;
    this.paint();
  }

  // over: only what lies over the points, as the pointer moves
  draw(over = false) {
    this.points.stale ||= !over;
    this.frame ??= requestAnimationFrame(() => this.paint());
  }

  // Pixels a map unit takes, and the way between the two
  get unit() { return Math.max(1, Math.min(this.width, this.height) - 36) * this.scale; }
  toScreen(x, y) { return [(x - this.centre[0]) * this.unit + this.width / 2, this.height / 2 - (y - this.centre[1]) * this.unit]; }
  toMap(x, y) { return [(x - this.width / 2) / this.unit + this.centre[0], (this.height / 2 - y) / this.unit + this.centre[1]]; }

  // Of a point: the fewer there are the larger, and those shown at most twice as large as the others
  sizeOf(count) {
    const each = Math.sqrt((this.width * this.height) / Math.max(1, count)) * 0.3;
    return Math.min(10, Math.max(2.2, each)) * Math.min(2, this.scale ** 0.35);
  }

  get size() { return Math.min(2 * this.sizeOf(this.shown.length), this.sizeOf(this.count)); }

  paint() {
    this.frame = undefined;
    if (!this.width) return;
    if (this.points.stale) this.paintPoints();
    this.points.stale = false;
    this.paintOver();
  }

  // A small point is a square, which is drawn faster.
  paintPoints() {
    const { shown, xy, width, height } = this;
    const pen = this.penOf(this.points);
    for (const part of this.count === shown.length ? [1] : [0, 1]) {
      const size = Math.max(1, Math.round(part ? this.size : this.sizeOf(shown.length)));
      for (let i = 0; i < shown.length; i++) {
        if ((shown[i] > 0 ? 1 : 0) !== part) continue;
        const x = Math.round((xy[2 * i] - this.centre[0]) * this.unit + width / 2);
        const y = Math.round((this.centre[1] - xy[2 * i + 1]) * this.unit + height / 2);
        if (x < -size || y < -size || x > width + size || y > height + size) continue;
        pen.globalAlpha = part ? FAINT + ((1 - FAINT) * shown[i]) / SHOWN : FAINT;
        pen.fillStyle = part ? this.palette[this.codes[i]] : HIDDEN[this.dark ? "dark" : "light"];
        if (size < 4) pen.fillRect(x, y, size, size);
        else {
          pen.beginPath();
          pen.arc(x, y, size / 2, 0, 7);
          pen.fill();
        }
      }
    }
  }

  // What draws on an emptied canvas, in the page's pixels.
  penOf(canvas) {
    const ratio = devicePixelRatio || 1;
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, this.width, this.height);
    return pen;
  }

  paintOver() {
    const pen = this.penOf(this.over);
    pen.strokeStyle = this.dark ? "#ffffff" : "#111111";
    pen.fillStyle = this.dark ? "rgb(255 255 255 / 7%)" : "rgb(0 0 0 / 5%)";
    pen.lineWidth = 1.5;
    const corners = this.drawn ?? (this.rectangle ? cornersOf(this.rectangle) : this.lasso);
    if (corners) {
      pen.setLineDash(this.drawn ? [] : [5, 4]);
      pen.beginPath();
      corners.forEach(([x, y]) => pen.lineTo(...this.toScreen(x, y)));
      pen.closePath();
      pen.fill();
      pen.stroke();
    }
    pen.setLineDash([]);
    for (const [index, radius] of [[this.hovered, 5], [this.marked, 8]]) {
      if (index < 0 || !(this.xy[2 * index] > -9)) continue;
      pen.beginPath();
      pen.arc(...this.toScreen(this.xy[2 * index], this.xy[2 * index + 1]), this.size / 2 + radius, 0, 7);
      pen.stroke();
    }
  }

  // Moving

  reset() {
    this.centre = [0.5, 0.5];
    this.scale = 1;
    this.draw();
  }

  zoomAt(times, x = this.width / 2, y = this.height / 2) {
    const before = this.toMap(x, y);
    this.scale = Math.min(400, Math.max(0.5, this.scale * times));
    const after = this.toMap(x, y);
    this.centre = this.centre.map((value, at) => value + before[at] - after[at]);
    this.draw();
  }

  move(x, y) {
    this.centre = [this.centre[0] - x / this.unit, this.centre[1] + y / this.unit].map((value) => Math.min(1.2, Math.max(-0.2, value)));
    this.draw();
  }

  // The nearest image shown, within reach of the pointer
  nearest(x, y) {
    const [mapX, mapY] = this.toMap(x, y);
    let [best, least] = [-1, ((REACH + this.size / 2) / this.unit) ** 2];
    for (let i = 0; i < this.shown.length; i++) {
      const far = (this.xy[2 * i] - mapX) ** 2 + (this.xy[2 * i + 1] - mapY) ** 2;
      if (far < least && this.shown[i]) [best, least] = [i, far];
    }
    return best;
  }

  place(event) {
    const box = this.stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  pointerdown(event) {
    if (event.button > 0) return;
    this.stage.setPointerCapture(event.pointerId);
    const at = this.place(event);
    this.pointers.set(event.pointerId, at);
    this.began = at;
    this.far = false;
    this.drawn = this.pointers.size === 1 && (this.lassoing || event.shiftKey) ? [this.toMap(...at)] : null;
    this.on.hover(-1);
  }

  pointermove(event) {
    const [x, y] = this.place(event);
    const last = this.pointers.get(event.pointerId);
    if (!last) {
      const found = event.pointerType === "touch" ? -1 : this.nearest(x, y);
      if (found !== this.hovered) this.draw(true);
      this.hovered = found;
      this.on.hover(found, x, y);
      return;
    }
    this.far ||= Math.hypot(x - this.began[0], y - this.began[1]) > 4;
    if (this.drawn) {
      if (this.far) this.drawn.push(this.toMap(x, y));
      this.draw(true);
    } else if (this.pointers.size === 2) {
      const other = [...this.pointers].find(([id]) => id !== event.pointerId)[1];
      const apart = (at) => Math.max(1, Math.hypot(at[0] - other[0], at[1] - other[1]));
      this.zoomAt(apart([x, y]) / apart(last), (x + other[0]) / 2, (y + other[1]) / 2);
      this.move((x - last[0]) / 2, (y - last[1]) / 2);
    } else if (this.far) this.move(x - last[0], y - last[1]);
    this.pointers.set(event.pointerId, [x, y]);
  }

  pointerup(event) {
    if (!this.pointers.delete(event.pointerId)) return;
    const { drawn } = this;
    this.drawn = null;
    this.draw(true);
    if (drawn && this.far && drawn.length > 2) {
      this.useLasso(false);
      this.take(drawn);
    } else if (!this.far && this.pointers.size === 0) {
      const found = this.nearest(...this.place(event));
      if (found >= 0) this.on.open(found);
    }
  }

  pointercancel(event) {
    this.pointers.delete(event.pointerId);
    this.drawn = null;
    this.draw(true);
  }

  pointerleave() {
    this.hovered = -1;
    this.on.hover(-1);
    this.draw(true);
  }

  wheel(event) {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1;
    this.zoomAt(Math.exp(-Math.max(-200, Math.min(200, event.deltaY * lines)) * (event.ctrlKey ? 0.01 : 0.002)), ...this.place(event));
  }

  useLasso(on) {
    this.lassoing = on;
    this.lassoTool.setAttribute("aria-pressed", String(on));
    this.stage.dataset.lasso = String(on);
  }

  keydown(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const box = this.rectangle;
    if (arrow && box) {
      const step = 0.02 / this.scale;
      for (const side of event.shiftKey ? [1] : [0, 1]) {
        box[side][0] += arrow[0] * step;
        box[side][1] -= arrow[1] * step;
      }
      this.on.say(`rectangle around ${this.within(cornersOf(box)).toLocaleString("en")} images`);
    } else if (arrow) this.move(-arrow[0] * 60, -arrow[1] * 60);
    else if (event.key === "+" || event.key === "=") this.zoomAt(1.5);
    else if (event.key === "-") this.zoomAt(1 / 1.5);
    else if (event.key === "0") this.reset();
    else if (event.key === "r") {
      const half = Math.min(this.width, this.height) / 4;
      this.rectangle = [this.toMap(this.width / 2 - half, this.height / 2 - half), this.toMap(this.width / 2 + half, this.height / 2 + half)];
      this.on.say("a rectangle: arrows move it, Shift and arrows change its size, Enter takes it, Escape lets it go");
    } else if (event.key === "Enter" && box) {
      this.rectangle = null;
      this.take(cornersOf(box));
    } else if (event.key === "Escape" && (box || this.drawn)) this.rectangle = this.drawn = null;
    else if (event.key === "Escape" && this.lasso) this.on.lasso(null);
    else return;
    event.preventDefault();
    this.draw(true);
  }

  take(line) {
    const corners = thinned(line);
    if (corners.length > 2) this.on.lasso(corners);
  }

  // How many images shown lie within the two corners of a rectangle
  within(corners) {
    const [xs, ys] = [0, 1].map((axis) => corners.map((corner) => corner[axis]));
    const [left, right, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    let count = 0;
    for (let i = 0; i < this.shown.length; i++) {
      const [x, y] = [this.xy[2 * i], this.xy[2 * i + 1]];
      count += this.shown[i] && x >= left && x <= right && y >= low && y <= high ? 1 : 0;
    }
    return count;
  }
}

const cornersOf = ([[left, top], [right, bottom]]) => [[left, top], [right, top], [right, bottom], [left, bottom]];

// A line with few corners, each of three places, so that an address can hold it
function thinned(line) {
  const every = Math.ceil(line.length / CORNERS);
  return line.filter((_, at) => at % every === 0).map((corner) => corner.map((value) => Number(value.toFixed(3))));
}
