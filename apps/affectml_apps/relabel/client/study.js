// What a study adds to the page: instructions beside the image, or one tap away, what came of a try, how far one is, a word on checks.

import { button, make } from "./elements.js";

const CHECKS = "Some images say themselves what to choose, and some of your answers to those were others. Please look at each image before you answer.";

export class StudyPart {
  // study: phase, instructions (HTML). understood: what to do once somebody has read of their checks.
  constructor({ phase, instructions }, understood) {
    this.practice = phase === "practice";
    const text = make("div", { class: "text" });
    text.innerHTML = instructions; // the server's own tags alone: all that people wrote is escaped in it
    // Where there is room under the answers; a small screen has the button alone.
    this.beside = make("div", { class: "beside", tabindex: "0", role: "region", "aria-label": "Instructions" }, text.cloneNode(true));
    this.dialog = make("dialog", { class: "help", "aria-label": "Instructions" },
      make("div", { class: "top" }, make("span"), button("Close", { "data-enter": "own", autofocus: true, onclick: () => this.dialog.close() })),
      text);
    this.button = button("Instructions", { "aria-haspopup": "dialog", "data-enter": "own", onclick: () => this.dialog.showModal() });
    this.came = make("p", { class: "suggestion came", role: "alert" });
    this.warning = make("div", { class: "refused" },
      make("p", { role: "alert" }, `${CHECKS} `, button("Understood", { "data-enter": "own", onclick: understood })));
    this.draw({ practised: null, warned: false });
  }

  draw({ practised, warned }) {
    const tries = practised?.tries_left === 1 ? "one try is" : `${practised?.tries_left} tries are`;
    const missed = practised && `${practised.feedback} ${practised.tries_left ? `For this image ${tries} left.` : "On to the next image."}`;
    const text = practised === null ? "" : practised.right ? "That is right." : missed;
    if (this.came.textContent !== text) this.came.textContent = text;
    this.came.hidden = text === "";
    this.warning.hidden = !warned;
  }

  // How far one is: in words, and as a part of the whole where it has one.
  progress({ item, done, of, about }) {
    if (!this.practice && of === undefined) return ["", 0]; // the server has not answered yet
    if (!this.practice) return [`${done} of ${about ? "about " : ""}${of} images`, of ? done / of : 0];
    if (item === null) return ["Practice", 0];
    const images = item.to_practise === 1 ? "last image" : `${item.to_practise} images left`;
    return [`Practice: ${images} · ${item.revision === 1 ? "one try" : `${item.revision} tries`}`, 0];
  }
}
