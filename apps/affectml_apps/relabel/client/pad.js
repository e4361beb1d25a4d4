// Where on the plane of valence and arousal: a field to point at, and two sliders for keys.

import { button, make } from "./elements.js";

export class Pad {
  // feel(axis, value) is told of a choice, value from -1 to 1 or null.
  constructor(feel) {
    this.feel = feel;
    this.spot = make("span", { class: "spot" });
    this.plane = make("div", { class: "plane", "aria-hidden": "true", onpointerdown: (event) => this.point(event) },
      ...["excited", "calm", "unpleasant", "pleasant"].map((end) => make("span", { class: `end ${end}` }, end)), this.spot);
    this.valence = this.slider("valence", "unpleasant to pleasant");
    this.arousal = this.slider("arousal", "calm to excited");
    const axis = (low, input, high) => make("label", { class: "axis" }, make("span", {}, low), input, make("span", {}, high));
    this.clear = button("Not given", {
      class: "clear", onclick: () => {
        feel("valence", null);
        feel("arousal", null);
      },
    });
    this.element = make("div", { class: "pad", role: "group", "aria-label": "How the image feels" }, this.plane,
      make("div", { class: "axes" },
        axis("unpleasant", this.valence, "pleasant"), axis("calm", this.arousal, "excited")), this.clear);
  }

  slider(axis, name) {
    const input = make("input", {
      type: "range", min: "-1", max: "1", step: "0.05", "aria-label": name, oninput: () => this.feel(axis, Number(input.value)),
    });
    return input;
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
      input.setAttribute("aria-valuetext", value === null ? "not given" : String(value));
    }
    const given = valence !== null || arousal !== null;
    this.clear.disabled = !given;
    this.clear.textContent = given ? "Take it back" : "Not given";
    this.spot.hidden = valence === null || arousal === null;
    this.spot.style.insetInlineStart = `${((valence ?? 0) + 1) * 50}%`;
    this.spot.style.insetBlockStart = `${(1 - (arousal ?? 0)) * 50}%`;
  }
}
