// The map: every image a point, drawn pixel by pixel. Drag moves, Shift or the lasso tool surrounds, wheel, pinch,
// buttons and keys zoom; what is not shown is faint, and so is what fits a search less.

import { button, keys, make } from "./elements.js";

const REACH = 12; // px around the pointer
const FAINT = 0.16;
const CORNERS = 48; // of a lasso, at most: it stands in the address
const SHOWN = 255;
const HIDDEN = { light: "#595959", dark: "#bfbfbf" }; // the colour of what is not shown

export class PointMap {
  // page: lasso(corners or null), open(index), hover(index or -1, x, y)
  constructor(page) {
    this.page = page;
    this.points = make("canvas", { class: "points", "aria-hidden": "true" });
    this.over = document.createElementNS("http://www.w3.org/2000/svg", "svg"); // a lasso, and rings around two images
    this.over.innerHTML = "<polygon /><circle /><circle />";
    this.over.ariaHidden = "true";
    this.stage = make("div", {
      class: "stage", tabindex: "0", role: "application",
      "aria-label": "Map. Arrows move, plus and minus zoom, 0 shows all, r keeps the images in sight, Escape lets go",
      onkeydown: keys({
        ArrowLeft: () => this.move(60, 0), ArrowRight: () => this.move(-60, 0), ArrowUp: () => this.move(0, 60), ArrowDown: () => this.move(0, -60),
        "+": () => this.zoomAt(1.5), "=": () => this.zoomAt(1.5), "-": () => this.zoomAt(1 / 1.5), 0: () => this.reset(),
        r: () => this.takeAll(), Escape: () => this.letGo(),
      }),
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
    this.lasso = this.drawn = null;
    this.marked = this.hovered = -1;
    this.centre = [0.5, 0.5];
    this.scale = 1;
    this.pointers = new Map();
    this.lassoing = false;
    for (const type of ["pointerdown", "pointermove", "pointerup", "pointerleave", "wheel"]) {
      this.stage.addEventListener(type, (event) => this[type](event), { passive: false });
    }
    this.stage.addEventListener("pointercancel", (event) => this.pointerup(event));
    new ResizeObserver(() => this.fit()).observe(this.stage);
  }

  // What is drawn

  // xy: NaN where there is no embedding, which canvases draw nowhere
  setPoints(xy) {
    this.xy = xy;
    const n = xy.length / 2;
    if (this.shown.length !== n) this.setShown(new Uint8Array(n).fill(SHOWN));
    if (this.codes.length !== n) this.codes = new Uint8Array(n);
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
    this.lasso = corners;
    this.drawOver();
  }

  mark(index) {
    this.marked = index;
    this.drawOver();
  }

  fit() {
    const ratio = devicePixelRatio || 1;
    this.width = this.stage.clientWidth;
    this.height = this.stage.clientHeight;
    this.points.width = Math.max(1, Math.round(this.width * ratio));
    this.points.height = Math.max(1, Math.round(this.height * ratio));
    this.paint();
  }

  draw() {
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

  // A small point is a square, which is drawn faster.
  paint() {
    this.frame = undefined;
    if (!this.width) return;
    this.drawOver();
    const { shown, xy, width, height } = this;
    const ratio = devicePixelRatio || 1;
    const pen = this.points.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
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

  // What lies over the points, as the pointer moves
  drawOver() {
    if (!this.width) return; // it is not on the page yet
    const [line, ...rings] = this.over.children;
    line.setAttribute("points", (this.drawn ?? this.lasso ?? []).map((corner) => this.toScreen(...corner)).join(" "));
    line.toggleAttribute("data-drawn", this.drawn !== null);
    for (const [ring, index, wider] of [[rings[0], this.hovered, 5], [rings[1], this.marked, 8]]) {
      const there = this.xy[2 * index] >= 0; // none, and one without an embedding, is nowhere
      const [x, y] = there ? this.toScreen(this.xy[2 * index], this.xy[2 * index + 1]) : [-99, -99];
      ring.setAttribute("cx", x);
      ring.setAttribute("cy", y);
      ring.setAttribute("r", this.size / 2 + wider);
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

  pointerdown(event) {
    if (event.button > 0) return;
    this.stage.setPointerCapture(event.pointerId);
    const at = [event.offsetX, event.offsetY];
    this.pointers.set(event.pointerId, at);
    this.began = at;
    this.far = false;
    this.drawn = this.pointers.size === 1 && (this.lassoing || event.shiftKey) ? [this.toMap(...at)] : null;
    this.page.hover(-1);
  }

  pointermove(event) {
    const { offsetX: x, offsetY: y } = event;
    const last = this.pointers.get(event.pointerId);
    if (!last) {
      const found = event.pointerType === "touch" ? -1 : this.nearest(x, y);
      this.hovered = found;
      this.drawOver();
      this.page.hover(found, x, y);
      return;
    }
    this.far ||= Math.hypot(x - this.began[0], y - this.began[1]) > 4;
    if (this.drawn) {
      if (this.far) this.drawn.push(this.toMap(x, y));
      this.drawOver();
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
    this.drawOver();
    if (event.type === "pointercancel") return;
    if (drawn && this.far && drawn.length > 2) {
      this.useLasso(false);
      this.take(drawn);
    } else if (!this.far && this.pointers.size === 0) {
      const found = this.nearest(event.offsetX, event.offsetY);
      if (found >= 0) this.page.open(found);
    }
  }

  pointerleave() {
    this.hovered = -1;
    this.page.hover(-1);
    this.drawOver();
  }

  wheel(event) {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1;
    this.zoomAt(Math.exp(-Math.max(-200, Math.min(200, event.deltaY * lines)) * (event.ctrlKey ? 0.01 : 0.002)), event.offsetX, event.offsetY);
  }

  useLasso(on) {
    this.lassoing = on;
    this.lassoTool.setAttribute("aria-pressed", String(on));
    this.stage.dataset.lasso = String(on);
  }

  letGo() {
    if (this.drawn) this.drawn = null;
    else if (this.lasso) this.page.lasso(null);
    this.drawOver();
  }

  // Keep the images in sight.
  takeAll() {
    const { width, height } = this;
    this.take([[0, 0], [width, 0], [width, height], [0, height]].map((corner) => this.toMap(...corner)));
  }

  take(line) {
    const corners = thinned(line);
    if (corners.length > 2) this.page.lasso(corners);
  }
}

// A line with few corners, each of three places, so that an address can hold it
function thinned(line) {
  const every = Math.ceil(line.length / CORNERS);
  return line.filter((_, at) => at % every === 0).map((corner) => corner.map((value) => Number(value.toFixed(3))));
}

// What the colours mean: the palette, and the legend.

// Okabe & Ito 2008, with two of Tol 2021; the last is for all other levels.
const LEVELS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#b2a100", "#6b4c9a", "#882255", "#8c8c8c"];
const DARK = { 7: "#a68bd6", 8: "#f2d0a4" }; // in their place on a dark page
// Cividis (Nuñez, Anderton & Renslow 2018), from the end that is near a light background; on a dark page it begins at
// the other end, with its darkest blues lightened.
const RAMP = ["#fee838", "#d9c855", "#b4a96c", "#918c76", "#707173", "#4d566d", "#233e6c", "#00224e"];
const DARK_RAMP = ["#4466a8", "#5c749d", "#74838f", "#8f8f80", "#aa9f72", "#c6b461", "#e2cd4e", "#fee838"];

// What a legend holds. told: what the server says of the codes; called(level): as people read it
export function entries({ levels, low, high, unknown }, palette, called) {
  const swatch = (colour) => make("i", { class: "dot", style: `background:${colour}` });
  const entry = (colour, name, images) => make("span", {}, swatch(colour), name, make("small", {}, images.toLocaleString("en")));
  const all = (levels ?? []).map(([level, images], at) => entry(palette[at], called(level), images));
  if (low != null) {
    const places = [0, 32, 64, 96, 127, 159, 191, 223, 254].map((at) => palette[at]);
    const ramp = make("span", { class: "ramp", "aria-hidden": "true", style: `background:linear-gradient(to right, ${places.join(",")})` });
    all.push(make("span", {}, low, ramp, high));
  }
  if (unknown) all.push(entry(palette[255], "unknown", unknown));
  return all.length ? all : [make("span", {}, "nothing known")];
}

// Colours of the codes 0 to 255; 255 is unknown
export function palette(levels, dark) {
  const ramp = dark ? DARK_RAMP : RAMP;
  const colour = (code) => {
    if (code === 255) return dark ? "#696970" : "#bebec4";
    if (levels) return (dark && DARK[code]) || LEVELS[Math.min(code, LEVELS.length - 1)];
    const at = (code / 254) * (ramp.length - 1);
    const low = Math.min(Math.floor(at), ramp.length - 2);
    return `color-mix(in srgb, ${ramp[low + 1]} ${100 * (at - low)}%, ${ramp[low]})`;
  };
  return Array.from({ length: 256 }, (_, code) => colour(code));
}
