// What keys mean. They are heard before Streamlit hears them: on window, in the capture phase.
//
// A key means what it types: digits of any script, letters, signs. Where that means nothing here it counts by its
// place: the row of digits needs Shift on some keyboards (French, Czech), and others have no Latin letters. So what
// is printed on the key as a second sign, and shown as a hint, works on all of them.

import { direction, marked } from "./texts.js";

export const LABEL_KEYS = [..."123456789qwertyuiopasdfghjklzxcvbnm"];

// key, what it does, its name on a button, and in the help where that says more
export const COMMANDS = [
  ["Enter", "save", marked("Save"), marked("Save and show the next image")],
  ["0", "none", marked("None of these")],
  [".", "unsure", marked("Unsure")],
  [",", "skip", marked("Skip"), marked("Skip this image")],
  ["!", "flag", marked("Flag"), marked("Flag: something is wrong with the image")],
  ["Backspace", "back", marked("Back"), marked("Back to the image before")],
  ["ArrowLeft", "back", marked("Back"), marked("Back to the image before")],
  ["ArrowRight", "forward", marked("Forward"), marked("Forward again")],
  [" ", "look", marked("Zoom"), marked("Zoom; show a blurred image")],
  ["/", "search", marked("Find"), marked("Search the labels")],
  ["?", "help", marked("Help"), marked("Keys, instructions and what the labels mean")],
  ["Escape", "pause", marked("Pause"), marked("Pause: hide the image and stop the clock")],
];

const BY_KEY = new Map(COMMANDS.map(([key, command]) => [key, command]));
const RANGE_KEYS = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown"];
const SIGNS = new Map([["\u061f", "?"], ["\u060c", ","], ["\u06d4", "."]]); // Arabic and Urdu
const PLACES = new Map([["Period", "."], ["Comma", ","], ["Slash", "/"]]);

const isDigit = (point) => /^\p{Nd}$/u.test(String.fromCodePoint(point));

// The arrow that points where this one does in a language from left to right: forward is where one reads on.
const MIRRORED = new Map([["ArrowLeft", "ArrowRight"], ["ArrowRight", "ArrowLeft"]]);
export const mirrored = (key) => (direction() === "rtl" && MIRRORED.get(key)) || key;

// Unicode's decimal digits come in runs of ten, each from 0 to 9.
function digit(sign) {
  let below = 0;
  while (isDigit(sign.codePointAt(0) - below - 1)) below += 1;
  return String(below % 10);
}

// The sign a key types, as this page names it: "１" and "१" are "1", "؟" is "?", letters are small.
function typed(key) {
  if ([...key].length !== 1) return key;
  const sign = key.normalize("NFKC").toLowerCase();
  if ([...sign].length !== 1) return key;
  return isDigit(sign.codePointAt(0)) ? digit(sign) : (SIGNS.get(sign) ?? sign);
}

// What the key's place stands for: the digits above the letters and beside them, and the letters of a Latin keyboard.
function placed(code) {
  return /^(?:Digit|Numpad)(\d)$/.exec(code)?.[1] ?? /^Key([A-Z])$/.exec(code)?.[1].toLowerCase() ?? PLACES.get(code);
}

export class Keyboard {
  // Whether the last letter typed was no Latin one: then the signs among its letters are letters too (Greek ; on Q).
  foreign = false;

  // The key as this page names it, whatever the keyboard's layout.
  name(event) {
    const { key, code, shiftKey } = event;
    const sign = typed(key);
    const place = placed(code);
    if (event.getModifierState?.("AltGraph") || place === undefined) return sign;
    if (code.startsWith("Numpad")) return place; // with or without NumLock
    const letter = code.startsWith("Key");
    const foreign = /[^\p{Script=Latin}\p{Script=Common}\p{Script=Inherited}]/u.test(key);
    if (/^[a-z]$/.test(sign) || (letter && foreign && sign.length === 1)) this.foreign = foreign;
    if (/^[a-z0-9]$/.test(sign)) return sign;
    if (BY_KEY.has(sign) && !(letter && this.foreign && key === sign)) return sign;
    if (code.startsWith("Digit")) return shiftKey ? sign : place;
    if (letter) return /^[ -~]$/.test(key) && !this.foreign ? sign : place;
    return foreign ? place : sign; // of the signs, only those among other scripts' letters
  }

  // What a key means here: {label} or {command}, or null where the element it was meant for keeps it.
  meaning(event, root, labels) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return null;
    const target = event.composedPath()[0];
    const inside = event.composedPath().includes(root);
    if (!inside && target !== document.body && target !== document.documentElement) return null;
    if (target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement || target.isContentEditable) {
      if (target.type !== "range" || RANGE_KEYS.includes(event.key)) return null;
    }
    if (target.closest?.("dialog[open]")) return null;
    const left = target.closest?.("dialog"); // closed just now; the focus moves away from it with the next frame
    const button = left ? null : target.closest?.("button, summary, a");
    if (button && (event.key === " " || (event.key === "Enter" && button.dataset.enter === "own"))) return null;
    const name = this.name(event);
    const label = labels.get(name);
    if (label !== undefined && (!event.shiftKey || /^\d$/.test(name))) return { label };
    const command = BY_KEY.get(mirrored(name));
    return command === undefined ? null : { command };
  }
}

export function listen(root, labels, press, signal) {
  const keyboard = new Keyboard();
  const heard = (event) => {
    const meant = keyboard.meaning(event, root, labels());
    if (meant === null) {
      // Streamlit's own single-key shortcuts (r, c) stay quiet here; those from within our fields stop at our root.
      const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
      if (plain && event.composedPath()[0] === document.body) event.stopPropagation();
      return;
    }
    event.preventDefault();
    event.stopImmediatePropagation();
    if (!event.repeat) press(meant, event.timeStamp);
  };
  addEventListener("keydown", heard, { capture: true, signal });
}
