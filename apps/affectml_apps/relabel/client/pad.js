// Valence and arousal: a slider for each. Without an answer it has no thumb.

import { button, make } from "./elements.js";
import { _, number } from "./texts.js";

export class Pad {
  // feel(axis, value) is told of a choice, value from -1 to 1 or null.
  constructor(feel) {
    const slider = (axis, name) => make("input", {
      type: "range", min: "-1", max: "1", step: "0.05", "aria-label": name, oninput: (event) => feel(axis, Number(event.target.value)),
      onpointerup: (event) => event.target.blur(), // the next arrow goes back to the image before
    });
    this.valence = slider("valence", _("unpleasant to pleasant"));
    this.arousal = slider("arousal", _("calm to excited"));
    this.clear = button(_("Not given"), {
      class: "clear", onclick: () => {
        feel("valence", null);
        feel("arousal", null);
      },
    });
    const axis = (low, input, high) => make("label", { class: "axis" }, make("span", {}, low), input, make("span", {}, high));
    this.element = make("div", { class: "pad", role: "group", "aria-label": _("How the image feels") },
      axis(_("unpleasant"), this.valence, _("pleasant")), axis(_("calm"), this.arousal, _("excited")), this.clear);
  }

  draw(valence, arousal) {
    for (const [input, value] of [[this.valence, valence], [this.arousal, arousal]]) {
      input.value = value ?? 0;
      input.dataset.set = String(value !== null);
      input.setAttribute("aria-valuetext", value === null ? _("not given") : number(value, 2));
    }
    this.clear.disabled = valence === null && arousal === null;
    this.clear.textContent = this.clear.disabled ? _("Not given") : _("Take it back");
  }
}
