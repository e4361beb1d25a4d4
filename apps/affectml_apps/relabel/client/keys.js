// Keys, heard before Streamlit hears them: on window, in the capture phase.

export const LABEL_KEYS = [..."123456789qwertyuiopasdfghjklzxcvbnm"];

export const COMMANDS = [
  ["Enter", "save", "Save and show the next image"],
  ["0", "none", "None of these"],
  [".", "unsure", "Unsure"],
  [",", "skip", "Skip this image"],
  ["!", "flag", "Flag: something is wrong with the image"],
  ["Backspace", "back", "Undo: back to the image before"],
  ["ArrowLeft", "back", "Back"],
  ["ArrowRight", "forward", "Forward again"],
  [" ", "look", "Zoom; show a blurred image"],
  ["/", "search", "Search the labels"],
  ["?", "help", "Keys, instructions and what the labels mean"],
  ["Escape", "pause", "Pause: hide the image and stop the clock"],
];

const BY_KEY = new Map(COMMANDS.map(([key, command]) => [key, command]));
const RANGE_KEYS = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown"];

// What a key means here: {label} or {command} or null, and whether the element it was meant for keeps it.
export function meaning(event, root, labels) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return null;
  const target = event.composedPath()[0];
  const inside = event.composedPath().includes(root);
  if (!inside && target !== document.body && target !== document.documentElement) return null;
  if (target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement || target.isContentEditable) {
    if (target.type !== "range" || RANGE_KEYS.includes(event.key)) return null;
  }
  if (target.closest?.("dialog")) return null;
  const button = target.closest?.("button, summary, a");
  if (button && (event.key === " " || (event.key === "Enter" && button.dataset.enter === "own"))) return null;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const label = labels.get(key);
  if (label !== undefined && !event.shiftKey) return { label };
  const command = BY_KEY.get(event.key);
  return command === undefined ? null : { command };
}

export function listen(root, labels, press) {
  const heard = (event) => {
    const meant = meaning(event, root, labels());
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
  addEventListener("keydown", heard, true);
  return () => removeEventListener("keydown", heard, true);
}
