// The texts that people read here, in the language that the server says. They stand in the code in English.

let spoken = { language: "en", direction: "ltr", texts: {} };
let plurals = new Intl.PluralRules("en");

// What the server told of a language: its code, its direction, its texts by their English.
export function speak(told) {
  spoken = told;
  plurals = new Intl.PluralRules(told.language);
}

export const language = () => spoken.language;
export const direction = () => spoken.direction;

// A text, with the values at their names in braces.
export function _(text, values = {}) {
  return filled(spoken.texts[text] ?? text, values);
}

// The form of a text that goes with n, by the language's own rule; {n} is filled in.
export function ngettext(one, several, n, values = {}) {
  const forms = spoken.texts[one] ?? { one, other: several };
  return filled(forms[plurals.select(n)] ?? forms.other, { n: number(n), ...values });
}

// A number as this language writes it, with so many places.
export function number(value, places = 0) {
  return value.toLocaleString(spoken.language, { minimumFractionDigits: places, maximumFractionDigits: places });
}

const filled = (text, values) => text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
