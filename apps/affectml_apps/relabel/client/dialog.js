// Streamlit's "Connection error" dialog covers the page while the server is away, and takes the keys. Labelling goes
// on without a server for as long as there are images, and the page says itself that it is offline.

const TITLE = "Connection error";
const DIALOG = "[data-testid=stDialog]";

// Closes that dialog whenever it comes, as its own button does, and puts the focus back to where somebody was typing:
// all within one task of the browser, so that no key goes elsewhere in between. `down` is called in its stead.
// Returns what ends this.
export function keepDialogAway(root, down) {
  let interrupted = null;
  const lost = (event) => {
    interrupted = event.relatedTarget?.closest?.(DIALOG) ? event.target : null;
  };
  const look = () => {
    const dialog = document.querySelector(DIALOG);
    if (dialog?.querySelector("h2")?.textContent.trim() === TITLE) {
      dialog.querySelector("button[aria-label=Close]")?.click();
      down();
    }
    if (dialog !== null || interrupted === null) return;
    if (interrupted.isConnected) interrupted.focus({ preventScroll: true });
    interrupted = null;
  };
  const observer = new MutationObserver(look);
  observer.observe(document.body, { childList: true });
  root.addEventListener("focusout", lost);
  look();
  return () => {
    observer.disconnect();
    root.removeEventListener("focusout", lost);
  };
}
