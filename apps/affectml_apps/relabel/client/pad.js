// Where on the plane of valence and arousal: a field to point at, and two sliders for keys.

import { button, make } from "./elements.js";
import { _, number } from "./texts.js";

export class Pad {
  // feel(axis, value) is told of a choice, value from -1 to 1 or null.
  constructor(feel) {
    this.feel = feel;
    const ends = { excited: _("excited"), calm: _("calm"), unpleasant: _("unpleasant"), pleasant: _("pleasant") };
    this.spot = make("span", { class: "spot" });
    this.plane = make("div", { class: "plane", "aria-hidden": "true", onpointerdown: (event) => this.point(event) },
      ...Object.entries(ends).map(([end, text]) => make("span", { class: `end ${end}` }, text)), this.spot);
    const slider = (axis, name) => make("input", {
      type: "range", min: "-1", max: "1", step: "0.05", "aria-label": name, oninput: (event) => feel(axis, Number(event.target.value)),
    });
    this.valence = slider("valence", _("unpleasant to pleasant"));
    this.arousal = slider("arousal", _("calm to excited"));
    const axis = (low, input, high) => make("label", { class: "axis" }, make("span", {}, low), input, make("span", {}, high));
    this.clear = button(_("Not given"), {
      class: "clear", onclick: () => {
        feel("valence", null);
        feel("arousal", null);
      },
    });
    this.element = make("div", { class: "pad", role: "group", "aria-label": _("How the image feels") }, this.plane,
      make("div", { class: "axes" },
        axis(ends.unpleasant, this.valence, ends.pleasant), axis(ends.calm, this.arousal, ends.excited)), this.clear);
  }

  point(event) {
    event.preventDefault();
    const box = this.plane.getBoundingClientRect();
    const part = (at, from, size) => Math.round(Math.min(Math.max((at - from) / size, 0), 1) * 40) / 20 - 1;
    const mirrored = getComputedStyle(this.plane).direction === "rtl" ? -1 : 1;
    this.feel("valence", mirrored * part(event.clientX, box.left, box.width));
    this.feel("arousal", -part(event.clientY, box.top, box.height));
  }

  // An axis without an answer shows none: no spot, no thumb on its slider.
  draw(valence, arousal) {
    for (const [input, value] of [[this.valence, valence], [this.arousal, arousal]]) {
      input.value = value ?? 0;
      input.dataset.set = String(value !== null);
      input.setAttribute("aria-valuetext", value === null ? _("not given") : number(value, 2));
    }
    const given = valence !== null || arousal !== null;
    this.clear.disabled = !given;
    this.clear.textContent = given ? _("Take it back") : _("Not given");
    this.spot.hidden = valence === null || arousal === null;
    this.spot.style.insetInlineStart = `${((valence ?? 0) + 1) * 50}%`;
    this.spot.style.insetBlockStart = `${(1 - (arousal ?? 0)) * 50}%`;
  }
}
