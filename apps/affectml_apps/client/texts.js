// The texts that people read here, in the language that the server says. They stand in the code in English.

let spoken = { language: "en", direction: "ltr" };
let texts = new Map();
let plurals = new Intl.PluralRules("en");

// What the server told of a language: its code, its direction, its texts by their English.
export function speak(told) {
  spoken = told;
  texts = new Map(Object.entries(told.texts));
  plurals = new Intl.PluralRules(told.language);
}

// A text that `_` is to say later, as it is: for constants, which stand here before anything was told.
export const marked = (text) => text;

export const language = () => spoken.language;
export const direction = () => spoken.direction;

// A text, with the values at their names in braces.
export function _(text, values = {}) {
  return filled(texts.get(text) ?? text, values);
}

// The form of a text that goes with n, by the language's own rule; {n} is filled in.
export function ngettext(one, several, n, values = {}) {
  const forms = texts.get(one) ?? { one, other: several };
  return filled(forms[plurals.select(n)] ?? forms.other, { n: number(n), ...values });
}

// A number as this language writes it, with so many places.
export function number(value, places = 0) {
  return value.toLocaleString(spoken.language, { minimumFractionDigits: places, maximumFractionDigits: places });
}

// Names one after the other, as this language writes them.
export function list(names) {
  return new Intl.ListFormat(spoken.language, { type: "conjunction", style: "narrow" }).format(names);
}

const filled = (text, values) => text.replace(/\{(\w+)\}/g, (whole, name) => (Object.hasOwn(values, name) ? isolated(values[name]) : whole));

// A name in another script must not turn round what stands beside it.
const isolated = (value) => (spoken.direction === "rtl" ? `\u2068${value}\u2069` : value);
