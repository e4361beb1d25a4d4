// One image, large: what people said, what each run says beside it and why, the nearest images.

import { button, keys, make, table } from "./elements.js";

const PASSING_MS = 80; // before the server is asked about an image: what is only passed by is not

export class One {
  // page: fetch(path, fields, draw, fail), stop(...paths), busy(path, on), picture(index, size) -> address, called(label):
  // as people read it, isTicked(index); step(by), open(index), tick(index), like(index), closed()
  constructor(page) {
    Object.assign(this, { page, opened: false, index: null });
    this.title = make("h2", { id: "one-title" });
    this.where = make("span", { class: "where" });
    this.image = make("img", { alt: "" });
    this.frame = make("div", { class: "frame" }, this.image);
    this.facts = make("div", { class: "facts", tabindex: "0", role: "group", "aria-label": "About this image" });
    const turn = (text, name, by) => button(text, { "aria-label": name, title: `${name} (${by < 0 ? "←" : "→"})`, onclick: () => page.step(by) });
    this.tick = button("✓ Tick", { "aria-pressed": "false", title: "x: for the queue, a selection or a download", onclick: () => page.tick(this.index) });
    const turns = make("span", { class: "turns" }, turn("‹", "Previous image", -1), turn("›", "Next image", 1));
    const turning = keys({ ArrowLeft: () => page.step(-1), ArrowRight: () => page.step(1), x: () => page.tick(this.index) });
    this.element = make("dialog", { class: "one", "aria-labelledby": "one-title", onkeydown: (event) => event.target.matches("select, input[type=text]") || turning(event), onclose: () => this.closed() },
      make("div", { class: "bar" }, this.title, this.where, this.tick, turns,
        button("Close", { title: "Escape", autofocus: true, onclick: () => this.element.close() })),
      make("div", { class: "halves" }, this.frame, this.facts));
  }

  mark() {
    this.tick.setAttribute("aria-pressed", String(this.index !== null && this.page.isTicked(this.index)));
  }

  closed() {
    this.leave();
    if (this.index !== null) this.page.closed();
    this.index = null;
  }

  // What was asked of the image before is not drawn any more.
  leave() {
    clearTimeout(this.asking);
    this.page.stop("detail", "explain");
  }

  // where: "3 of 120"
  show(index, name, where) {
    this.leave();
    this.index = index;
    this.mark();
    this.title.textContent = name;
    this.where.textContent = where;
    this.image.hidden = false;
    this.frame.querySelectorAll("p, .over").forEach((each) => each.remove());
    this.image.onerror = () => { this.image.hidden = true; this.frame.append(make("p", {}, "This image cannot be shown.")); };
    this.image.alt = name;
    this.image.src = this.page.picture(index, "image");
    if (!this.element.open) this.element.showModal();
    this.page.busy("detail", true);
    const fail = (problem) => this.facts.replaceChildren(make("p", { role: "alert" }, problem));
    this.asking = setTimeout(() => this.page.fetch("detail", { i: index }, (told) => this.draw(told), fail), PASSING_MS);
  }

  draw(told) {
    this.element.dataset.of = told.id ?? "";
    const parts = [];
    if (told.facts.length) parts.push(make("dl", {}, ...told.facts.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)])));
    if (told.people || told.runs.length) parts.push(this.answers(told));
    if (told.runs.length && told.labels.length) parts.push(this.explain(told));
    if (told.nearest.length) {
      const like = button("Show more like this", { onclick: () => this.page.like(this.index) });
      parts.push(make("section", {}, make("div", { class: "bar" }, make("h3", {}, "Nearest images"), like), make("div", { class: "near" }, ...told.nearest.map((each) => this.neighbour(each)))));
    }
    this.facts.replaceChildren(...parts);
    this.facts.scrollTop = 0;
  }

  // A row per label; people and each run beside one another
  answers({ labels, people, runs }) {
    const columns = [...(people ? [{ name: "people", ...people }] : []), ...runs];
    const cell = (rate, within) => {
      const known = typeof rate === "number";
      const bar = make("span", { class: within ? "rate in" : "rate" });
      bar.style.setProperty("--rate", known ? Math.max(0, Math.min(1, rate)) : 0);
      return make("td", {}, bar, make("span", { class: "number" }, known ? `${within ? "✓ " : ""}${Math.round(100 * rate)} %` : "–"));
    };
    const rates = table({ class: "answers", head: ["", ...columns.map(({ name }) => make("th", { scope: "col", title: name }, name))] },
      ...labels.map((label, at) => [make("th", { scope: "row", title: this.page.called(label) }, this.page.called(label)),
        ...columns.map(({ rates, set }) => cell(rates?.[at], set?.[at]))]));
    const words = columns.filter((each) => each.words).map((each) => make("p", {}, make("b", {}, `${each.name}: `), each.words));
    const section = make("section", {}, make("h3", {}, "Answers"), make("div", { class: "wide", tabindex: "0", role: "group", "aria-label": "Answers, label by label" }, rates), ...words);
    for (const [who, note] of people?.remarks ?? []) section.append(make("p", { class: "remark" }, make("b", {}, `${who}: `), note));
    if (people?.answers.length) section.append(make("details", { open: this.opened, ontoggle: (event) => { this.opened = event.target.open; } }, make("summary", {}, `Each of the ${people.answers.length} answers`), make("ul", { class: "names" }, ...people.answers.map(([who, said]) => make("li", {}, make("b", {}, who), ` ${said}`)))));
    return section;
  }

  explain({ labels, runs, best }) {
    const run = make("select", { "aria-label": "Run to explain" }, ...runs.map(({ name }) => make("option", {}, name)));
    const label = make("select", { "aria-label": "Label to explain" }, ...labels.map((each) => make("option", { value: each }, this.page.called(each))));
    if (best) label.value = best;
    const says = make("p", { role: "status" });
    const uncover = () => { this.frame.querySelectorAll(".over").forEach((each) => each.remove()); hide.hidden = true; };
    const hide = button("Hide", { title: "Show the image without the map", hidden: true, onclick: () => uncover() });
    const finish = (words) => { says.textContent = words; go.disabled = false; };
    const go = button("Explain", { onclick: () => {
      go.disabled = true;
      says.textContent = "covering the image piece by piece …";
      this.page.fetch("explain", { i: this.index, run: run.value, label: label.value }, (told) => {
        uncover();
        this.frame.append(make("img", { class: "over", src: told.picture, alt: `Where ${run.value} sees ${this.page.called(label.value)}` }));
        hide.hidden = false;
        finish(told.words);
      }, finish);
    } });
    return make("section", {}, make("h3", {}, "Why"), make("div", { class: "bar asks" }, run, label, go, hide), says);
  }

  neighbour({ index, id, like, words }) {
    return make("button", { type: "button", title: id, onclick: () => this.page.open(index) },
      make("img", { src: this.page.picture(index, "thumb"), alt: id, loading: "lazy" }), make("b", {}, like), make("span", {}, words));
  }
}
