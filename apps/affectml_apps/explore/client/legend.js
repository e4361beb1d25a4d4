// What the colours mean: the palette, and the legend, whose entries are filters.

import { button, make } from "./elements.js";

// Okabe & Ito 2008, with two of Tol 2021; the last is for all other levels.
const LEVELS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#b2a100", "#6b4c9a", "#882255", "#8c8c8c"];
const DARK = { 7: "#a68bd6", 8: "#f2d0a4" }; // in their place on a dark page
// Cividis (Nuñez, Anderton & Renslow 2018), from the end that is near a light background; on a dark page it begins at
// the other end, with its darkest blues lightened.
const RAMP = ["#fee838", "#d9c855", "#b4a96c", "#918c76", "#707173", "#4d566d", "#233e6c", "#00224e"];
const DARK_RAMP = ["#4466a8", "#5c749d", "#74838f", "#8f8f80", "#aa9f72", "#c6b461", "#e2cd4e", "#fee838"];

export class Legend {
  // on: level(text), known(): a level, or all of which the number is known, is to be filtered by, or no more;
  // called(text): a level as people read it
  constructor(on) {
    this.on = on;
    this.element = make("div", { class: "legend", tabindex: "0", role: "group", "aria-label": "Legend" });
  }

  // told: what the server says of the codes; chosen: see `mark`
  draw({ levels, names, low, high, unknown }, palette, chosen) {
    const count = (images) => make("small", {}, images.toLocaleString("en"));
    const entries = (levels ?? []).map(([text, images], at) => (text === names[at]
      ? this.filter(text, () => this.on.level(text), swatch(palette[at]), this.on.called(text), count(images))
      : make("span", {}, swatch(palette[at]), this.on.called(text), count(images))));
    if (low != null) {
      const ramp = make("span", { class: "ramp", "aria-hidden": "true" });
      ramp.style.background = `linear-gradient(to right, ${[0, 32, 64, 96, 127, 159, 191, 223, 254].map((at) => palette[at]).join(",")})`;
      entries.push(this.filter(null, () => this.on.known(), low, ramp, high));
    }
    if (unknown) entries.push(make("span", {}, swatch(palette[255]), "unknown", count(unknown)));
    this.element.replaceChildren(...(entries.length ? entries : [make("span", {}, "nothing known")]));
    this.mark(chosen);
  }

  filter(level, onclick, ...content) {
    const made = button("", { title: level === null ? "Filter by it" : "Show only these, with others that are chosen", onclick });
    made.append(...content);
    made.level = level;
    return made;
  }

  // chosen: the levels that are filtered by, or whether there is another filter
  mark(chosen) {
    for (const each of this.element.querySelectorAll("button")) {
      each.setAttribute("aria-pressed", String(each.level === null ? chosen !== false : chosen !== true && chosen !== false && chosen.includes(each.level)));
    }
  }
}

const swatch = (colour) => make("i", { class: "dot", style: `background:${colour}` });

// Colours of the codes 0 to 255; 255 is unknown
export function palette(levels, dark) {
  const ramp = dark ? DARK_RAMP : RAMP;
  const colour = (code) => {
    if (code === 255) return dark ? "#696970" : "#bebec4";
    if (levels) return (dark && DARK[code]) || LEVELS[Math.min(code, LEVELS.length - 1)];
    const at = (code / 254) * (ramp.length - 1);
    const low = Math.min(Math.floor(at), ramp.length - 2);
    const channel = (hex, from) => parseInt(hex.slice(from, from + 2), 16);
    const between = [1, 3, 5].map((from) => Math.round(channel(ramp[low], from) * (1 - at + low) + channel(ramp[low + 1], from) * (at - low)));
    return `rgb(${between.join(" ")})`;
  };
  return Array.from({ length: 256 }, (_, code) => colour(code));
}
