// Images fetched ahead (the token travels in a header, so an <img src> would not do). Files wait as they came; only the
// next ones are decoded: thirty photographs of a phone would take more than a gigabyte.

const RETRY_MS = 2000;
const ROOM = 20e6; // bytes of files that lie ahead, the one in sight and the next at least
const SOON = 3; // decoded: the one in sight and the next two, and as many of those before
const PAST = 12; // files kept of those before

export const keyOf = (item) => `${item.round}|${item.image}`;

export class Pictures {
  // onReady(item): it can be shown, or cannot be had now.
  constructor({ url, headers, onReady }) {
    Object.assign(this, { url, headers, onReady });
    // image id -> {state: "absent" | "loading" | "failed" (asked for again in a moment) | "kept" (its file) | "ready" | "broken", file, element}
    this.entries = new Map();
    this.ahead = []; // the item in sight and those to come, in their order
    this.fetching = 0;
    this.rests = false;
  }

  get(item) {
    return this.entries.get(item.image);
  }

  // Whether an image can be shown without a connection.
  has(item) {
    const entry = this.get(item);
    return Boolean(entry?.file) || entry?.state === "broken";
  }

  // How many images find room, by the mean of those that are here.
  get room() {
    const sizes = [...this.entries.values()].flatMap(({ file }) => file?.size ?? []);
    return (ROOM * sizes.length) / sizes.reduce((sum, size) => sum + size, 0) || Infinity;
  }

  entry(item) {
    const entry = this.get(item) ?? { state: "absent", file: null, element: null };
    this.entries.delete(item.image); // the last asked for stays longest
    this.entries.set(item.image, entry);
    return entry;
  }

  // For now: before all others.
  want(item) {
    const entry = this.entry(item);
    entry.wanted = true;
    if (entry.state === "absent") this.fetch(item, entry);
    else if (entry.state === "kept") this.decode(item, entry);
    return entry;
  }

  // What lies ahead comes in its order, one after the other, and not before what is wanted now.
  stock(items) {
    this.ahead = items;
    this.tidy();
    this.goOn();
  }

  goOn() {
    if (this.closed) return;
    for (const item of this.ahead.slice(0, SOON)) if (this.get(item)?.state === "kept") this.decode(item, this.get(item));
    if (this.fetching > 0 || this.rests) return;
    const missing = this.ahead.filter((item) => (this.get(item)?.state ?? "absent") === "absent");
    const next = missing.find((item) => !this.get(item)?.tried) ?? missing[0];
    const held = this.ahead.filter((item) => this.get(item)?.file).length;
    if (next && (this.ahead.indexOf(next) < 2 || held + 1 <= this.room)) this.fetch(next, this.entry(next));
  }

  async fetch(item, entry) {
    entry.state = "loading";
    this.fetching += 1;
    try {
      const reply = await fetch(this.url(item.image), { headers: this.headers });
      if (reply.status >= 500 || reply.status === 401 || reply.status === 403) throw new Error("not now");
      if (reply.ok) entry.file = await reply.blob();
      entry.state = reply.ok ? "kept" : "broken";
    } catch {
      Object.assign(entry, { state: "failed", tried: true });
      this.rests = true; // where one does not come, the others may not either
      setTimeout(() => this.retry(item, entry), RETRY_MS);
    }
    this.fetching -= 1;
    if (entry.state === "kept" && entry.wanted) await this.decode(item, entry);
    else if (!this.closed) this.onReady(item);
    this.goOn();
  }

  retry(item, entry) {
    entry.state = "absent";
    this.rests = false;
    this.goOn(); // those never tried first: one that never comes must not keep the others away
    if (!this.closed && entry.wanted) this.onReady(item);
  }

  async decode(item, entry) {
    if (this.closed) return;
    entry.state = "loading";
    entry.address = URL.createObjectURL(entry.file);
    const element = new Image();
    element.draggable = false;
    element.decoding = "sync"; // in the same frame as the rest of the page
    element.src = entry.address;
    try {
      await element.decode();
      entry.element = element;
      // An <img> shows a file that was cut off as far as it goes, and says nothing; a bitmap is made whole or not at all.
      (await createImageBitmap(entry.file)).close();
      entry.state = "ready";
    } catch {
      entry.state = "broken"; // no image, or only a part of one: it can be skipped or flagged
    }
    if (!this.closed) this.onReady(item);
  }

  // Files and decoded images of those that lie neither ahead nor shortly before go.
  tidy() {
    const ahead = this.ahead.map((item) => item.image);
    const past = [...this.entries.keys()].filter((image) => !ahead.includes(image)).reverse();
    const shown = [...ahead.slice(0, SOON), ...past.slice(0, SOON)];
    for (const [image, entry] of this.entries) {
      if (shown.includes(image) || entry.state === "loading" || entry.element?.isConnected) continue;
      entry.wanted = false;
      if (entry.address) URL.revokeObjectURL(entry.address);
      Object.assign(entry, { address: null, element: null, state: entry.file ? "kept" : entry.state });
    }
    for (const image of past.slice(PAST)) this.entries.delete(image);
  }

  close() {
    this.closed = true;
    for (const entry of this.entries.values()) if (entry.address) URL.revokeObjectURL(entry.address);
    this.entries.clear();
  }
}
