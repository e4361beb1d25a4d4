// What a study adds to the page: instructions beside the image, or one tap away, what came of a try, how far one is, a word on checks.

import { button, make } from "./elements.js";
import { _, marked, ngettext, number } from "./texts.js";

const CHECKS = marked("Some images contain words that say what to choose, and some of your answers did not match them. Please look closely at each image before you answer.");

export class StudyPart {
  // study: phase, instructions (HTML). understood: what to do once somebody has read of their checks.
  constructor({ phase, instructions }, understood) {
    this.practice = phase === "practice";
    const text = make("div", { class: "text" });
    text.innerHTML = instructions; // the server's own tags alone: all that people wrote is escaped in it
    // Where there is room under the answers; a small screen has the button alone.
    this.beside = make("div", { class: "beside", tabindex: "0", role: "region", "aria-label": _("Instructions") }, text.cloneNode(true));
    this.dialog = make("dialog", { class: "help", "aria-label": _("Instructions") },
      make("div", { class: "top" }, make("span"), button(_("Close"), { "data-enter": "own", autofocus: true, onclick: () => this.dialog.close() })),
      text);
    this.button = button(_("Instructions"), { "aria-haspopup": "dialog", "data-enter": "own", onclick: () => this.dialog.showModal() });
    this.came = make("p", { class: "suggestion came", role: "alert" });
    this.warning = make("div", { class: "refused" },
      make("p", { role: "alert" }, `${_(CHECKS)} `, button(_("Understood"), { "data-enter": "own", onclick: understood })));
    this.draw({ practised: null, warned: false });
  }

  draw({ practised, warned }) {
    const next = (left) => (left ? ngettext("You have one more try for this image.", "You have {n} more tries for this image.", left) : _("On to the next image."));
    const text = practised === null ? "" : practised.right ? _("Correct.") : `${practised.feedback} ${next(practised.tries_left)}`;
    if (this.came.textContent !== text) this.came.textContent = text;
    this.came.hidden = text === "";
    this.warning.hidden = !warned;
  }

  // How far one is: in words, and as a part of the whole where it has one.
  progress({ item, done, of }) {
    if (!this.practice && of === undefined) return ["", 0]; // the server has not answered yet
    if (!this.practice) {
      return [ngettext("{done} of {n} image", "{done} of {n} images", of, { done: number(done) }), of ? done / of : 0];
    }
    if (item === null) return [_("Practice"), 0];
    const images = ngettext("Practice: last image", "Practice: {n} images left", item.to_practise);
    return [[images, ngettext("one try", "{n} tries", item.revision)].join(" · "), 0];
  }
}
