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
export function button(text, attributes) {
  return make("button", { type: "button", onmousedown: (event) => event.preventDefault(), ...attributes }, text);
}

// Whether the page is dark: its letters are light.
export function isDark(element) {
  const channels = getComputedStyle(element).color.match(/[\d.]+/g) ?? ["0"];
  return Number(channels[0]) > 128;
}
