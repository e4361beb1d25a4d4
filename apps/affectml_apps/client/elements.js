// Making elements of the page. All text goes in as text.

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// A button for the pointer: it does not take the focus from the keys.
export function button(text, attributes, ...children) {
  return make("button", { type: "button", onmousedown: (event) => event.preventDefault(), ...attributes }, text, ...children);
}

// What keys do on an element, by their names; with Ctrl, Alt or Meta, and while a word is composed, they are the browser's.
export const keys = (acts) => (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || !Object.hasOwn(acts, event.key)) return;
  event.preventDefault();
  acts[event.key]();
};

// A table; a cell is a th or td, or what a td is to hold. head: cells of a first row of headings.
export function table({ caption, head, ...attributes }, ...rows) {
  const row = (cells) => make("tr", {}, ...cells.map((cell) => (cell instanceof HTMLTableCellElement ? cell : make("td", {}, cell))));
  return make("table", attributes, caption ? make("caption", {}, caption) : null,
    head ? make("thead", {}, row(head)) : null, make("tbody", {}, ...rows.map(row)));
}

// Change an element's text where it is another: what was said already is not said again.
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
