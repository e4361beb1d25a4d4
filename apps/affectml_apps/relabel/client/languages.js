// Choosing another language: a button among the tools, and a dialog with the languages by their own names.

import { button, make } from "./elements.js";
import { _, language } from "./texts.js";

export class Languages {
  // languages: [{code, name}]; look() asks whether the server is there; choose(code) asks it for the page in that language.
  constructor(languages, { look, choose }) {
    const current = languages.find(({ code }) => code === language());
    const named = ({ code, name }) => make("bdi", { class: "own", lang: code }, name);
    this.button = button("", {
      class: "language", "aria-haspopup": "dialog", "aria-label": _("Language: {name}", { name: current?.name ?? language() }),
      "data-enter": "own", onclick: () => {
        this.dialog.showModal();
        look();
      },
    });
    if (current) this.button.append(named(current));
    this.away = make("p", { role: "status" });
    this.choices = languages.map((each) => {
      const choice = button("", {
        "aria-pressed": String(each === current), autofocus: each === current, "data-enter": "own", onclick: () => {
          this.dialog.close();
          if (each !== current) choose(each.code);
        },
      });
      choice.append(named(each));
      return choice;
    });
    this.dialog = make("dialog", { class: "help languages", "aria-labelledby": "languages-title" },
      make("div", { class: "top" }, make("h2", { id: "languages-title" }, _("Language")),
        button(_("Close"), { "data-enter": "own", onclick: () => this.dialog.close() })),
      make("div", { class: "list" }, ...this.choices), this.away);
  }

  draw(online) {
    this.away.textContent = online ? "" : _("Another language needs a connection, and there is none.");
    for (const choice of this.choices) choice.disabled = !online;
  }
}
