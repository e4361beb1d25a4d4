// The images, in order: any number of them, of which only those in view are elements, and only those are fetched.

import { make } from "./elements.js";

const GAP = 8;
const EDGE = 4; // px around all: what is chosen has a ring
const CAPTION = 36; // px under each image
const WAIT_MS = 60; // before an image is fetched: what is only scrolled past is not
const MOST_PX = 15_000_000; // the highest that every browser scrolls
const EMPTY = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==";

export class Grid {
  // on: open(index), tick(index); give: name(index), says(index), fit(index) in words, ticked(index), picture(index), colour(index) as CSS or null
  constructor({ on, give }) {
    this.on = on;
    this.give = give;
    this.order = new Uint32Array(0);
    this.cells = new Map(); // position -> element
    this.at = 0;
    this.space = make("div", { class: "space", role: "presentation" });
    this.element = make("div", { class: "grid", tabindex: "0", role: "listbox", "aria-label": "Images", onscroll: () => this.draw(), onkeydown: (event) => this.key(event) }, this.space);
    this.resize = new ResizeObserver(() => this.fit());
    this.resize.observe(this.element);
  }

  close() {
    this.resize.disconnect();
    clearTimeout(this.later);
  }

  show(order) {
    this.order = order;
    this.at = 0;
    this.element.scrollTop = 0;
    this.redraw();
    this.fetch();
  }

  redraw() {
    this.space.replaceChildren();
    this.cells.clear();
    this.fit();
  }

  fit() {
    const room = this.element.clientWidth - 2 * EDGE;
    if (room <= 0) return;
    const columns = Math.max(2, Math.floor((room + GAP) / (136 + GAP)));
    const side = (room - (columns - 1) * GAP) / columns;
    if (columns !== this.columns || side !== this.side) {
      const first = this.columns ? Math.floor(this.element.scrollTop / this.row) * this.columns : 0;
      [this.columns, this.side, this.row] = [columns, side, side + CAPTION + GAP];
      this.space.replaceChildren();
      this.cells.clear();
      this.stretch();
      this.element.scrollTop = Math.floor(first / columns) * this.row;
    }
    this.stretch();
    this.draw();
  }

  // How many images have a place
  get end() { return Math.min(this.order.length, Math.floor(MOST_PX / (this.row || 1)) * (this.columns || 1)); }

  stretch() {
    this.space.style.blockSize = `${Math.ceil(this.end / this.columns) * this.row}px`;
  }

  draw() {
    if (!this.columns) return;
    const { scrollTop, clientHeight } = this.element;
    const first = Math.max(0, Math.floor(scrollTop / this.row) - 1) * this.columns;
    const end = Math.min(this.end, (Math.ceil((scrollTop + clientHeight) / this.row) + 1) * this.columns);
    for (const [place, cell] of this.cells) {
      if (place >= first && place < end) continue;
      cell.remove();
      this.cells.delete(place);
    }
    for (let place = first; place < end; place++) if (!this.cells.has(place)) this.add(place);
    clearTimeout(this.later);
    this.later = setTimeout(() => this.fetch(), WAIT_MS);
    this.choose(this.at);
  }

  add(place) {
    const cell = make("div", {
      class: "cell", role: "option", id: `image-${place}`, "aria-selected": "false", "aria-posinset": place + 1,
      "aria-setsize": this.order.length, onclick: () => { this.choose(place); this.on.open(this.order[place]); },
    }, make("img", { alt: "", src: EMPTY, decoding: "async" }),
    make("span", { class: "tick", "aria-hidden": "true", title: "Tick (x)", onclick: (event) => { event.stopPropagation(); this.choose(place); this.on.tick(this.order[place]); } }),
    make("span", { class: "caption" }, make("i", { class: "dot" }), make("strong", {}), make("span", {})));
    cell.style.cssText = `inline-size:${this.side}px;block-size:${this.side + CAPTION}px;` +
      `transform:translate(${(place % this.columns) * (this.side + GAP)}px,${Math.floor(place / this.columns) * this.row}px)`;
    this.describe(cell, place);
    this.cells.set(place, cell);
    this.space.append(cell);
  }

  // Names and colours may come after the images.
  describe(cell, place) {
    const [dot, says, text] = cell.lastChild.children;
    const name = this.give.name(this.order[place]);
    cell.setAttribute("aria-label", name);
    const fit = this.give.fit(this.order[place]);
    text.textContent = fit ? `${fit} · ${name}` : name;
    says.textContent = this.give.says(this.order[place]);
    cell.title = `${name}: ${says.textContent}${fit && `, ${fit}`}`;
    cell.setAttribute("aria-checked", String(this.give.ticked(this.order[place])));
    dot.style.background = this.give.colour(this.order[place]) ?? "";
  }

  relabel() {
    for (const [place, cell] of this.cells) this.describe(cell, place);
  }

  fetch() {
    for (const [place, cell] of this.cells) {
      const picture = cell.firstChild;
      if (cell.dataset.asked) continue;
      cell.dataset.asked = "true";
      picture.onerror = () => picture.replaceWith(make("span", { class: "broken" }, "cannot be shown"));
      picture.src = this.give.picture(this.order[place]);
    }
  }

  choose(place) {
    this.cells.get(this.at)?.setAttribute("aria-selected", "false");
    this.at = Math.max(0, Math.min(this.end - 1, place));
    const cell = this.cells.get(this.at);
    cell?.setAttribute("aria-selected", "true");
    if (cell) this.element.setAttribute("aria-activedescendant", cell.id);
    else this.element.removeAttribute("aria-activedescendant");
  }

  // Make this place the chosen one, and bring it into view.
  go(place) {
    this.at = Math.max(0, Math.min(this.end - 1, place));
    const top = Math.floor(this.at / this.columns) * this.row;
    const { scrollTop, clientHeight } = this.element;
    if (top < scrollTop) this.element.scrollTop = top;
    else if (top + this.row > scrollTop + clientHeight) this.element.scrollTop = top + this.row - clientHeight;
    for (const cell of this.cells.values()) cell.setAttribute("aria-selected", "false");
    this.draw();
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor(this.element.clientHeight / this.row)) * this.columns;
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns, PageUp: -page, PageDown: page, Home: -Infinity, End: Infinity }[event.key];
    if (step !== undefined) this.go(this.at + step);
    else if (event.key === "x" && this.order.length) this.on.tick(this.order[this.at]);
    else if ((event.key === "Enter" || event.key === " ") && this.order.length) this.on.open(this.order[this.at]);
    else return;
    event.preventDefault();
  }
}
