// Where on the plane of valence and arousal: a field to point at, and two sliders for keys.

import { button, make } from "./elements.js";

export class Pad {
  // feel(axis, value) is told of a choice, value from -1 to 1 or null.
  constructor(feel) {
    this.feel = feel;
    this.spot = make("span", { class: "spot" });
    this.plane = make("div", { class: "plane", "aria-hidden": "true", onpointerdown: (event) => this.point(event) }, this.spot);
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

  draw(valence, arousal) {
    this.valence.value = valence ?? 0;
    this.arousal.value = arousal ?? 0;
    const given = valence !== null || arousal !== null;
    this.element.dataset.set = String(given);
    this.clear.disabled = !given;
    this.clear.textContent = given ? "Take it back" : "Not given";
    this.spot.style.insetInlineStart = `${((valence ?? 0) + 1) * 50}%`;
    this.spot.style.insetBlockStart = `${(1 - (arousal ?? 0)) * 50}%`;
  }
}
