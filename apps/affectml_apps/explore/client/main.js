// The explore page's own part: asks the server for what a view shows, and links map, grid and
// the one large image. What it changes of the view goes to the page's script, which keeps it in the address.

import { make } from "./elements.js";
import { Grid } from "./grid.js";
import { PointMap, entries, palette } from "./map.js";
import { One } from "./one.js";
import { ask } from "./requests.js";

const OWN = ["colour", "order", "lasso", "image", "text", "like", "rates", "of"]; // fields of the view that change here
const LOST_MS = 5000; // after which the page's script is taken not to have heard of a change

export const build = (place, data, setTriggerValue) => new Explorer(place, data, setTriggerValue);

class Explorer {
  constructor(place, data, setTriggerValue) {
    Object.assign(this, { data, setTriggerValue });
    this.view = {};
    this.ids = [];
    this.turns = {};
    this.sent = null;
    this.ticked = new Set(); // image_ids, in the order in which they were ticked
    this.root = make("div", { class: data.map ? "explorer" : "explorer mapless", "data-state": "busy" });
    this.root.addEventListener("keydown", (event) => event.stopPropagation()); // Streamlit's r and c
    place.replaceChildren(this.root);
    this.problems = {}; // by path
    this.waiting = new Set(); // paths
    this.name = make("h1", {}, data.title);
    this.count = make("p", { class: "count", role: "status" });
    this.problem = make("p", { class: "problem", role: "alert" });
    this.says = make("p", { class: "unseen", role: "status" });
    this.tip = make("div", { class: "tip", hidden: true });
    this.legend = make("div", { class: "legend", tabindex: "0", role: "group", "aria-label": "Legend" });
    this.map = new PointMap(this);
    this.grid = new Grid(this);
    this.one = new One(this);
    this.colour = make("select", { id: "colour", onchange: () => this.change({ colour: this.colour.value }) });
    this.order = make("select", { id: "order", onchange: () => this.reorder() });
    this.down = make("input", { type: "checkbox", id: "down", onchange: () => this.reorder() });
    this.chips = make("div", { class: "chips" });
    this.text = this.field("text", "What it shows", "Orders the images by how near the encoder puts them to these words.");
    this.rates = this.field("rates", "How it feels", "Labels, with and, without, not between them. Orders the images by these rates.");
    this.of = make("select", { id: "of", onchange: () => this.change({ of: this.of.value }) });
    this.whose = make("span", { class: "field" }, make("label", { for: "of" }, "as said by"), this.of);
    this.root.append(
      make("header", {}, this.name, this.count, this.chips,
        make("div", { class: "search", role: "search" }, this.text.form, this.rates.form, this.whose), this.problem, this.says),
      make("section", { class: "left", "aria-label": "Map" },
        make("div", { class: "bar" }, make("label", { for: "colour" }, "Colour"), this.colour),
        data.map ? this.map.element : make("p", {}, "No embeddings, so no map, and no search for what images show."), this.tip, this.legend,
        make("p", { class: "how" }, data.map)),
      make("section", { class: "right", "aria-label": "Images shown" },
        make("div", { class: "bar" }, make("label", { for: "order" }, "Order"), this.order,
          make("label", { class: "check" }, this.down, "largest first")),
        this.grid.element),
      this.one.element);
    this.theme = setInterval(() => this.matchTheme(), 1000);
  }

  close() {
    clearInterval(this.theme);
  }

  address(path, fields) {
    const address = new URL(`${this.data.base}/explore/${path}`, location.origin);
    for (const [name, value] of Object.entries(fields)) address.searchParams.set(name, value);
    address.searchParams.set("v", this.data.opened);
    return address;
  }

  picture(index, size) {
    return this.address(size, { i: index }).href;
  }

  // Fetches what a path has, and draws it, or says what went wrong; a newer call ends the one before.
  async fetch(path, fields, draw, fail = (problem) => this.tell({ [path]: problem })) {
    this.stop(path);
    const { signal } = (this.turns[path] = new AbortController());
    this.busy(path, true);
    try {
      const reply = await ask(this.address(path, fields), { signal }).catch((error) => {
        throw error instanceof TypeError ? new Error("the server does not answer; is it still running?") : error;
      });
      const content = await (reply.headers.get("content-type") === "application/json" ? reply.json() : reply.arrayBuffer());
      if (signal.aborted) return;
      draw(content);
      this.tell({ [path]: "" });
    } catch (error) {
      if (signal.aborted) return;
      fail(error.message);
    }
    this.busy(path, false);
  }

  stop(...paths) {
    for (const path of paths) {
      this.turns[path]?.abort();
      this.busy(path, false);
    }
  }

  tell(problems) {
    Object.assign(this.problems, problems);
    this.problem.textContent = Object.values(this.problems).filter(Boolean).join(" · ");
  }

  busy(path, on) {
    this.waiting[on ? "add" : "delete"](path);
    this.root.dataset.state = this.waiting.size ? "busy" : "ready";
    const filled = { shown: this.grid.element, detail: this.one.facts };
    filled[path]?.setAttribute("aria-busy", String(on));
  }

  // What the page's script says; it comes again with every rerun.
  receive(data) {
    this.data = data;
    this.matchTheme();
    if (data.opened !== this.mapOf) {
      this.mapOf = data.opened;
      this.drawn = this.told = this.codes = null; // what was there before may be out of date
      this.fetch("map", {}, (content) => this.map.setPoints(new Float32Array(content)));
      this.fetch("ids", {}, (ids) => {
        this.ids = ids;
        this.grid.relabel();
        this.openFromView();
      });
      const options = (columns) => columns.map(([value, title]) => make("option", { value }, title));
      this.colour.replaceChildren(...options(data.columns));
      this.order.replaceChildren(...options([["", "as in the data set"], ...data.columns]));
      const { words, rates, of } = data.search;
      this.text.form.hidden = !words;
      this.text.input.placeholder = "a stormy sea";
      this.rates.form.hidden = !rates;
      this.rates.input.placeholder = rates;
      this.of.replaceChildren(...of.map((name) => make("option", { value: name }, name)));
    }
    // An older state, while ours is on its way; it may have got lost with a connection.
    if (this.sent !== null && data.seen !== this.sent && Date.now() - this.sentAt < LOST_MS) return;
    this.sent = null;
    this.ticked = new Set(data.ticked);
    this.grid.relabel();
    this.tell({ remark: data.remark });
    this.draw(data.view);
  }

  // Changes of the view that begin here: they are shown at once, and told to the page's script.
  change(fields) {
    const view = { ...this.view };
    for (const [name, value] of Object.entries(fields)) {
      if (value === null || value === "") delete view[name];
      else view[name] = value;
    }
    this.sentAt = Date.now();
    this.sent = `${this.sentAt}-${Math.random()}`;
    this.draw(view);
    const own = Object.fromEntries(OWN.map((name) => [name, this.view[name] ?? null]));
    this.setTriggerValue("wish", { id: this.sent, ticked: [...this.ticked], ...own });
  }

  // A search by words or rates: Enter asks, Escape and the button take it away.
  field(name, label, title) {
    const clear = () => {
      input.value = "";
      input.focus();
      if (this.view[name]) this.search({});
    };
    const input = make("input", {
      type: "text", id: name, title, autocomplete: "off", enterkeyhint: "search",
      onkeydown: (event) => { if (event.key === "Escape") clear(); },
    });
    const form = make("form", { class: "field", onsubmit: (event) => {
      event.preventDefault();
      const asked = input.value.trim();
      if (asked !== (this.view[name] ?? "")) this.search(name === "rates" ? { rates: asked, of: this.view.of ?? null } : { [name]: asked });
    } }, make("label", { for: name }, label), input,
      make("button", { type: "button", class: "clear", "aria-label": `Clear: ${label}`, onclick: clear }, "×"));
    return { form, input };
  }

  // One search at a time
  search(fields) {
    this.change({ text: null, like: null, rates: null, of: null, ...fields });
  }

  // What is known of an image: its name, whether it is ticked, and what the colour is and says in words

  nameOf(index) { return this.ids[index] ?? `image ${index + 1}`; }
  isTicked(index) { return this.ticked.has(this.ids[index]); }
  colourOf(index) { return this.codes ? this.palette[this.codes[index]] : ""; }

  saysOf(index) {
    if (!this.codes) return "";
    const code = this.codes[index];
    if (code === 255) return "unknown";
    return this.told.names ? this.called(this.told.names[code]) : String(Number(this.numbers[index].toPrecision(3)));
  }

  // A label as people read it
  called(label) {
    return Object.hasOwn(this.data.displays, label) ? this.data.displays[label] : label;
  }

  draw(view) {
    const { colour, image, ...rest } = view;
    const before = this.view;
    this.view = view;
    const shown = JSON.stringify(Object.entries(rest).sort()); // the page's script has another order
    if (shown !== this.drawn) {
      this.drawn = shown;
      this.fetch("shown", rest, (content) => this.show(content), (problem) => {
        this.show(new ArrayBuffer(4));
        this.tell({ shown: problem });
      });
    }
    if (colour !== before.colour || !this.told) {
      this.fetch("colours", { colour: colour ?? "" }, (content) => this.paint(content));
    }
    for (const name of ["text", "rates"]) {
      // not what somebody is about to write, unless another search takes its place
      if (["text", "like", "rates"].some((each) => view[each] !== before[each])) this[name].input.value = view[name] ?? "";
      this[name].form.classList.toggle("asked", Boolean(view[name]));
    }
    this.whose.hidden = !view.rates || this.of.options.length < 2;
    this.of.value = view.of || this.of.options[0]?.value;
    this.colour.value = colour ?? this.data.colour ?? "";
    this.down.checked = Boolean(view.order?.startsWith("-"));
    this.order.value = view.order?.replace(/^[-+]/, "") ?? "";
    this.down.parentElement.hidden = !view.order;
    this.map.setLasso(view.lasso ? view.lasso.split(" ").map((corner) => corner.split(",").map(Number)) : null);
    const away = (text, onclick) => make("button", { type: "button", title: "Take this away", onclick }, text, make("span", { "aria-hidden": "true" }, " ×"));
    this.chips.replaceChildren(
      ...[["lasso", "lasso"], ["like", `like ${view.like}`]].filter(([name]) => view[name]).map(([name, text]) => away(text, () => this.change({ [name]: null }))),
      ...(this.ticked.size ? [away(`${this.ticked.size.toLocaleString("en")} ticked`, () => { this.ticked.clear(); this.grid.relabel(); this.change({}); })] : []));
    this.openFromView();
  }

  tick(index) {
    const id = this.ids[index];
    if (id === undefined || this.ticked.delete(id)) this.says.textContent = `${id ?? "nothing"} is not ticked`;
    else {
      this.ticked.add(id);
      this.says.textContent = `${id} is ticked`;
    }
    this.grid.relabel();
    this.one.mark();
    this.change({});
  }

  // How well an image fits what is searched for, in words
  fitOf(index) {
    const fit = this.fits?.[index];
    return fit === undefined || Number.isNaN(fit) ? "" : `${this.view.rates ? "fit" : "cosine"} ${fit.toFixed(2)}`;
  }

  // A reply: how many images, their places, and of a search how well each fits, best first. On the map the half that
  // fits worse is as faint as what is not shown, and of the others the better an image fits the more of its colour it has.
  show(content) {
    const count = new DataView(content).getUint32(0, true);
    const order = new Uint32Array(content, 4, count);
    const fits = content.byteLength > 4 + 4 * count ? new Float32Array(content, 4 + 4 * count) : null;
    const mask = new Uint8Array(this.data.n);
    this.fits = fits && new Float32Array(this.data.n).fill(NaN);
    const [best, middle] = fits ? [fits[0], fits[count >> 1]] : [0, 0];
    order.forEach((index, at) => {
      if (fits) this.fits[index] = fits[at];
      mask[index] = best > middle ? 1 + Math.round(254 * Math.max(0, Math.min(1, (fits[at] - middle) / (best - middle)))) : 255;
    });
    this.order.options[0].textContent = fits ? "best fit first" : "as in the data set";
    this.grid.show(order);
    this.map.setShown(mask);
    if (this.one.index !== null) this.one.where.textContent = this.whereIs(this.one.index); // it may have been first
    this.root.dataset.shown = String(order.length);
    this.root.dataset.turn = String(Number(this.root.dataset.turn ?? 0) + 1);
    const all = this.data.n.toLocaleString("en");
    this.count.textContent = (order.length === this.data.n ? `all ${all} images` : `${order.length.toLocaleString("en")} of ${all} images`)
      + (this.grid.end < order.length ? `, the first ${this.grid.end.toLocaleString("en")} of them in the grid` : "");
  }

  // A reply: the length of a JSON legend, the legend, then a code per image
  paint(content) {
    const length = new DataView(content).getUint32(0, true);
    this.told = JSON.parse(new TextDecoder().decode(new Uint8Array(content, 4, length)));
    this.codes = new Uint8Array(content, 4 + length, this.data.n);
    this.numbers = this.told.names ? null : new Float32Array(content.slice(4 + length + this.data.n));
    this.recolour();
  }

  recolour() {
    this.palette = palette(Boolean(this.told?.levels), this.map.dark);
    this.map.setColours(this.codes, this.palette);
    if (!this.told) return;
    this.legend.replaceChildren(...entries(this.told, this.palette, (level) => this.called(level)));
    this.grid.relabel();
  }

  // Streamlit changes its theme's variables in place and tells nobody.
  matchTheme() {
    const dark = getComputedStyle(this.root).colorScheme === "dark";
    if (dark === this.map.dark) return;
    this.map.dark = dark;
    this.recolour();
  }

  // The image under the pointer on the map, at x and y; none under it: -1
  hover(index, x, y) {
    this.tip.hidden = index < 0;
    if (index < 0) return;
    if (index !== this.tipOf) this.tip.replaceChildren(make("img", { src: this.picture(index, "thumb"), alt: "" }), make("span", {}, this.ids[index] ?? ""));
    this.tipOf = index;
    const { offsetLeft, offsetTop, clientWidth } = this.map.element;
    this.tip.style.insetInlineStart = `${offsetLeft + (x > clientWidth / 2 ? x - 160 : x + 16)}px`;
    this.tip.style.insetBlockStart = `${offsetTop + Math.max(0, y - 90)}px`;
  }

  // An address says "-NAME" for the largest first.
  reorder() {
    const { value } = this.order;
    const sign = this.down.checked ? "-" : /^[-+]/.test(value) ? "+" : "";
    this.change({ order: sign + value });
  }

  // One image

  whereIs(index) {
    const place = this.grid.order.indexOf(index);
    const fit = this.fitOf(index);
    return place < 0 ? "not among those shown" : `${(place + 1).toLocaleString("en")} of ${this.grid.order.length.toLocaleString("en")}${fit && `, ${fit}`}`;
  }

  lasso(corners) {
    this.change({ lasso: corners?.map((corner) => corner.join(",")).join(" ") ?? null });
  }

  like(index) {
    this.one.element.close();
    this.search({ like: this.ids[index], image: null });
  }

  open(index) {
    this.tip.hidden = true;
    const place = this.grid.order.indexOf(index);
    if (place >= 0) this.grid.go(place);
    this.map.mark(index);
    this.one.show(index, this.ids[index] ?? "", this.whereIs(index));
    if (this.view.image !== this.ids[index]) this.change({ image: this.ids[index] });
  }

  closed() {
    if (this.view.image) this.change({ image: null });
  }

  step(by) {
    const place = this.grid.order.indexOf(this.one.index);
    const next = Math.max(0, Math.min(this.grid.order.length - 1, place < 0 ? this.grid.at : place + by));
    if (next !== place && this.grid.order.length) this.open(this.grid.order[next]);
  }

  openFromView() {
    const { image } = this.view;
    if (!image) {
      this.tell({ image: "" });
      this.map.mark(-1);
      if (this.one.index !== null && this.one.element.open) this.one.element.close();
      return;
    }
    const index = this.ids.indexOf(image);
    if (this.ids.length) this.tell({ image: index < 0 ? `there is no image ${image}` : "" });
    if (index >= 0 && this.one.index !== index) this.open(index);
  }
}
