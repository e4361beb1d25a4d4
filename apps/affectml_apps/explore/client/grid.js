// The images, in order: any number of them, of which only those in view are elements, and only those are fetched.

import { keys, make } from "./elements.js";

const GAP = 8; // px between images, as in the style
const CAPTION = 36; // px under each image, as in the style
const WAIT_MS = 60; // before an image is fetched: what is only scrolled past is not
const MOST_PX = 15_000_000; // the highest that every browser scrolls
const EMPTY = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==";

export class Grid {
  // page: open(index), tick(index), isTicked(index), picture(index, size); in words nameOf, saysOf and fitOf(index); colourOf(index) as CSS
  constructor(page) {
    this.page = page;
    this.order = new Uint32Array(0);
    this.cells = new Map(); // place -> element, of those in view
    this.at = 0;
    this.space = make("div", { class: "space", role: "presentation" });
    this.element = make("div", { class: "grid", tabindex: "0", role: "listbox", "aria-label": "Images", onscroll: () => this.draw(), onkeydown: this.keys() }, this.space);
    new ResizeObserver(() => this.fit()).observe(this.element);
  }

  show(order) {
    this.order = order;
    this.at = 0;
    this.cells.clear();
    this.space.replaceChildren();
    this.element.scrollTop = 0;
    this.fit();
  }

  // As many columns as the style finds room for; what was the first image in view stays so.
  fit() {
    const columns = getComputedStyle(this.space).gridTemplateColumns.split(" ").map(parseFloat);
    if (!(columns[0] > 0)) return; // the page is not drawn yet
    const first = this.columns ? Math.floor(this.element.scrollTop / this.row) * this.columns : 0;
    const turned = columns.length !== this.columns;
    [this.columns, this.row] = [columns.length, columns[0] + CAPTION + GAP];
    this.space.style.blockSize = `${Math.ceil(this.end / this.columns) * this.row}px`;
    if (turned) this.element.scrollTop = Math.floor(first / this.columns) * this.row;
    this.draw();
  }

  // How many images have a place
  get end() { return Math.min(this.order.length, Math.floor(MOST_PX / this.row) * this.columns || 0); }

  draw() {
    if (!this.columns) return;
    const { scrollTop, clientHeight } = this.element;
    const row = Math.max(0, Math.floor(scrollTop / this.row) - 1);
    const end = Math.min(this.end, (Math.ceil((scrollTop + clientHeight) / this.row) + 1) * this.columns);
    const before = this.cells;
    this.cells = new Map();
    for (let place = row * this.columns; place < end; place++) this.cells.set(place, before.get(place) ?? this.cell(place));
    this.space.style.paddingBlockStart = `${row * this.row}px`;
    for (const [place, cell] of before) if (this.cells.get(place) !== cell) cell.remove();
    let next = this.space.firstChild; // what stays is not moved: it would flicker
    for (const cell of this.cells.values()) {
      if (cell === next) next = cell.nextSibling;
      else this.space.insertBefore(cell, next);
    }
    this.choose(this.at);
  }

  cell(place) {
    const index = this.order[place];
    const picture = make("img", { alt: "", src: EMPTY, decoding: "async", onerror: () => picture.replaceWith(make("span", { class: "broken" }, "cannot be shown")) });
    const act = (what) => (event) => {
      event.stopPropagation();
      this.choose(place);
      this.page[what](index);
    };
    const cell = make("div", {
      class: "cell", role: "option", id: `image-${place}`, "aria-posinset": place + 1, "aria-setsize": this.order.length, onclick: act("open"),
    }, picture, make("span", { class: "tick", "aria-hidden": "true", title: "Tick (x)", onclick: act("tick") }),
    make("span", { class: "caption" }, make("i", { class: "dot" }), make("strong", {}), make("span", {})));
    const fetch = () => { if (cell.isConnected) picture.src = this.page.picture(index, "thumb"); };
    setTimeout(fetch, this.element.scrollTop > 0 ? WAIT_MS : 0);
    this.describe(cell, index);
    return cell;
  }

  // Names and colours may come after the images.
  describe(cell, index) {
    const [dot, says, text] = cell.lastChild.children;
    const [name, fit] = [this.page.nameOf(index), this.page.fitOf(index)];
    cell.setAttribute("aria-label", name);
    cell.setAttribute("aria-checked", String(this.page.isTicked(index)));
    text.textContent = fit ? `${fit} · ${name}` : name;
    says.textContent = this.page.saysOf(index);
    cell.title = `${name}: ${says.textContent}${fit && `, ${fit}`}`;
    dot.style.background = this.page.colourOf(index);
  }

  relabel() {
    for (const [place, cell] of this.cells) this.describe(cell, this.order[place]);
  }

  choose(place) {
    this.at = Math.max(0, Math.min(this.end - 1, place));
    for (const [each, cell] of this.cells) cell.setAttribute("aria-selected", String(each === this.at));
    this.element.setAttribute("aria-activedescendant", this.cells.get(this.at)?.id ?? "");
  }

  // Make this place the chosen one, and bring it into view.
  go(place) {
    this.choose(place);
    const top = Math.floor(this.at / this.columns) * this.row;
    const { scrollTop, clientHeight } = this.element;
    this.element.scrollTop = Math.min(top, Math.max(scrollTop, top + this.row - clientHeight));
    this.draw();
  }

  keys() {
    const by = (places) => this.go(this.at + places);
    const page = () => Math.max(1, Math.floor(this.element.clientHeight / this.row)) * this.columns;
    const act = (what) => this.order.length && this.page[what](this.order[this.at]);
    return keys({
      ArrowLeft: () => by(-1), ArrowRight: () => by(1), ArrowUp: () => by(-this.columns), ArrowDown: () => by(this.columns),
      PageUp: () => by(-page()), PageDown: () => by(page()), Home: () => this.go(0), End: () => this.go(Infinity),
      x: () => act("tick"), Enter: () => act("open"), " ": () => act("open"),
    });
  }
}
