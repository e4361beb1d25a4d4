// Images fetched ahead (the token travels in a header, so an <img src> would not do) and decoded, ready to be shown.

const RETRY_MS = 2000;
const LOSSLESS = ["image/png", "image/gif", "image/bmp"]; // drawings; photographs come as JPEG, AVIF or WebP

export const keyOf = (item) => `${item.round}|${item.image}`;

export class Pictures {
  constructor({ url, headers, keep, onReady }) {
    Object.assign(this, { url, headers, keep, onReady });
    this.entries = new Map(); // image id -> {state: "loading" | "ready" | "broken" | "failed", element}
  }

  get(item) {
    return this.entries.get(item.image);
  }

  want(item) {
    const known = this.entries.get(item.image);
    if (known && known.state !== "failed") {
      this.entries.delete(item.image); // the last asked for stays longest
      this.entries.set(item.image, known);
      return known;
    }
    const entry = { state: "loading", element: null };
    this.entries.set(item.image, entry);
    this.load(item.image, entry).then(() => {
      if (entry.state === "failed") setTimeout(() => this.closed || this.onReady(item), RETRY_MS);
      else this.onReady(item);
    });
    this.trim();
    return entry;
  }

  async load(image, entry) {
    let reply;
    try {
      reply = await fetch(this.url(image), { headers: this.headers });
    } catch {
      entry.state = "failed"; // no connection: asked for again later
      return;
    }
    if (reply.status >= 500 || reply.status === 401 || reply.status === 403) {
      entry.state = "failed";
      return;
    }
    try {
      if (!reply.ok) throw new Error("not there");
      const file = await reply.blob();
      entry.address = URL.createObjectURL(file);
      const element = new Image();
      element.draggable = false;
      element.dataset.drawing = String(LOSSLESS.includes(file.type));
      element.decoding = "sync"; // in the same frame as the rest of the page
      element.src = entry.address;
      await element.decode();
      entry.element = element;
      // An <img> shows a file that was cut off as far as it goes, and says nothing; a bitmap is made whole or not at all.
      (await createImageBitmap(file)).close();
      entry.state = "ready";
    } catch {
      entry.state = "broken"; // no image, or only a part of one: it can be skipped or flagged
    }
  }

  trim() {
    for (const [image, entry] of this.entries) {
      if (this.entries.size <= this.keep) return;
      if (entry.element && entry.element.isConnected) continue;
      if (entry.address) URL.revokeObjectURL(entry.address);
      this.entries.delete(image);
    }
  }

  close() {
    this.closed = true;
    for (const entry of this.entries.values()) if (entry.address) URL.revokeObjectURL(entry.address);
    this.entries.clear();
  }
}
