// What the colours mean: the palette, and the legend.

import { make } from "./elements.js";

// Okabe & Ito 2008, with two of Tol 2021; the last is for all other levels.
const LEVELS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#b2a100", "#6b4c9a", "#882255", "#8c8c8c"];
const DARK = { 7: "#a68bd6", 8: "#f2d0a4" }; // in their place on a dark page
// Cividis (Nuñez, Anderton & Renslow 2018), from the end that is near a light background; on a dark page it begins at
// the other end, with its darkest blues lightened.
const RAMP = ["#fee838", "#d9c855", "#b4a96c", "#918c76", "#707173", "#4d566d", "#233e6c", "#00224e"];
const DARK_RAMP = ["#4466a8", "#5c749d", "#74838f", "#8f8f80", "#aa9f72", "#c6b461", "#e2cd4e", "#fee838"];

// What a legend holds. told: what the server says of the codes; called(level): as people read it
export function entries({ levels, low, high, unknown }, palette, called) {
  const swatch = (colour) => make("i", { class: "dot", style: `background:${colour}` });
  const entry = (colour, name, images) => make("span", {}, swatch(colour), name, make("small", {}, images.toLocaleString("en")));
  const all = (levels ?? []).map(([level, images], at) => entry(palette[at], called(level), images));
  if (low != null) {
    const places = [0, 32, 64, 96, 127, 159, 191, 223, 254].map((at) => palette[at]);
    const ramp = make("span", { class: "ramp", "aria-hidden": "true", style: `background:linear-gradient(to right, ${places.join(",")})` });
    all.push(make("span", {}, low, ramp, high));
  }
  if (unknown) all.push(entry(palette[255], "unknown", unknown));
  return all.length ? all : [make("span", {}, "nothing known")];
}

// Colours of the codes 0 to 255; 255 is unknown
export function palette(levels, dark) {
  const ramp = dark ? DARK_RAMP : RAMP;
  const colour = (code) => {
    if (code === 255) return dark ? "#696970" : "#bebec4";
    if (levels) return (dark && DARK[code]) || LEVELS[Math.min(code, LEVELS.length - 1)];
    const at = (code / 254) * (ramp.length - 1);
    const low = Math.min(Math.floor(at), ramp.length - 2);
    return `color-mix(in srgb, ${ramp[low + 1]} ${100 * (at - low)}%, ${ramp[low]})`;
  };
  return Array.from({ length: 256 }, (_, code) => colour(code));
}
