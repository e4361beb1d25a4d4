// The labelling page's own part: wires session, outbox, pictures, keys and view together.

import { make } from "./elements.js";
import { LABEL_KEYS, listen } from "./input.js";
import { Pictures } from "./pictures.js";
import { Outbox, ask } from "./requests.js";
import { Session } from "./session.js";
import { language, speak } from "./texts.js";
import { View } from "./view.js";

const MOST = 30; // images held, the one in sight among them
const FEW = 6; // the same where every byte counts
const IN_VIEW = 0.6; // of the image's area: less than that was not seen
const HEARTBEAT_MS = 60000; // keeps claims from running out while somebody thinks
const ABSENT_MS = 300000; // without a sign of them for so long, nobody is there: in a study that keeps no place
const TWICE_MS = 350; // between two taps
const SIGNS = ["keydown", "pointerdown", "pointermove", "wheel"];

export function build(place, data, setTriggerValue) {
  const moveOn = () => setTriggerValue("moved", true);
  return data.study?.phase === "over" ? sendRest(data, moveOn) : new Labeller(place, data, moveOn);
}

// A visit that is over draws nothing here; what waits in this browser is sent, and the page then tells of it.
function sendRest(data, moveOn) {
  const { place, post } = serverFor(data);
  const outbox = new Outbox({ place, post, onReply: () => outbox.waiting.size === 0 && moveOn() });
  outbox.load();
  if (outbox.waiting.size > 0) outbox.kick();
  return { receive: () => {}, close: () => outbox.close() };
}

// A person's place in this browser's store, and how the server is asked.
function serverFor({ base, identity, token }) {
  const headers = { "x-relabel-token": token };
  const address = (path) => new URL(`${base}/relabel/${path}`, location.origin);
  const asJson = { ...headers, "content-type": "application/json" };
  const post = async (message, signal) => {
    const reply = await ask(address("sync"), { method: "POST", headers: asJson, body: JSON.stringify(message), signal });
    return reply.json();
  };
  return { place: `affectml-relabel:${identity}:`, headers, address, post };
}

class Labeller {
  constructor(element, data, askForNext) {
    Object.assign(this, { identity: data.identity, askForNext });
    this.root = make("div", { class: "labeller", "data-state": "waiting" });
    element.replaceChildren(this.root);
    this.root.addEventListener("keydown", (event) => event.stopPropagation()); // Streamlit's r and c
    const { place, headers, address, post } = serverFor(data);
    this.pictures = new Pictures({
      url: (image) => `${address("image")}?id=${encodeURIComponent(image)}${data.study ? `&language=${language()}` : ""}`,
      headers, onReady: (item) => this.session.pictureReady(item),
    });
    this.asked = null; // in which language the server has told of what was answered before
    this.outbox = new Outbox({
      place, post,
      ask: () => ({
        want: this.wish, round: data.round, history: this.asked !== language(), language: (this.spoken = language()),
        phase: data.study?.phase, finish: this.finish,
      }),
      onReply: (reply) => {
        if (!this.session.held) return;
        if (data.study && (reply.phase !== data.study.phase || reply.status !== null)) return void this.moveOn();
        this.finish = false;
        this.asked = this.spoken;
        this.session.receive(reply);
        if (!data.study && this.session.finished) askForNext(); // another round may have images
      },
      onRefused: (id) => this.session.receipt({ id, status: "refused" }),
      onStopped: () => data.study && this.moveOn(),
      onChange: () => this.drawProgress(),
    });
    this.session = new Session({
      pictures: this.pictures, outbox: this.outbox, settings: data.settings,
      memory: memoryUnder(place), changed: (what) => this.changed(what),
    });
    this.makeView(data);
    this.view.stage.addEventListener("click", (event) => this.tapped(event));
    this.eye = new IntersectionObserver((entries) => this.seen(entries.at(-1)), { threshold: IN_VIEW });
    this.changed("item");
    this.listen(data);
    this.takeLock(false);
  }

  // What goes on around the image, until the page is closed.
  listen(data) {
    this.ending = new AbortController();
    const { signal } = this.ending;
    const on = (target, kind, act, options) => target.addEventListener(kind, act, { ...options, signal });
    // Without a connection the page would not come again.
    on(window, "beforeunload", (event) => this.session.held && !this.outbox.online && event.preventDefault());
    on(document, "visibilitychange", () => (document.hidden ? this.session.clock.stop() : this.woken()));
    let signed = performance.now(); // the last sign of somebody
    const sign = () => void (signed = performance.now());
    for (const kind of SIGNS) on(window, kind, sign, { capture: true, passive: true });
    listen(this.root, () => this.keys, (meant, time) => this.press(meant, time), signal);
    keepDialogAway(this.root, () => this.session.held && this.outbox.kick(), signal);
    const there = () => !data.study || performance.now() - signed < ABSENT_MS;
    this.heart = setInterval(() => !document.hidden && this.session.held && there() && this.outbox.kick(), HEARTBEAT_MS);
    this.beat = setInterval(() => this.session.clock.beat(), 1000);
    new ResizeObserver(() => this.view.fit()).observe(this.view.stage);
  }

  // Make the page's elements, in the language that the data are in.
  makeView(data) {
    speak(data.spoken);
    const labels = data.labels.map((each, at) => ({ ...each, key: LABEL_KEYS[at] ?? null }));
    this.keys = new Map(labels.filter((each) => each.key).map((each) => [each.key, each.label]));
    this.view = new View(this.root, {
      labels, task: { ...data.task, ...data.settings, study: data.study }, session: this.session, stage: this.view?.stage,
    });
  }

  // In another language the page is drawn anew, at the image where it was: what is chosen, felt or half typed stays.
  receive(data) {
    if (data.spoken.language === language()) return;
    this.makeView(data);
    this.view.draw();
    this.view.drawProgress();
    (this.session.selection.flag ? this.view.note : this.view.stage).focus({ preventScroll: true });
    if (this.session.held) this.outbox.kick(); // what the server says of images is in that language too
  }

  // Two taps or clicks on the image zoom where they are.
  tapped({ clientX, clientY, timeStamp }) {
    const { stage } = this.view;
    const twice = timeStamp - this.tappedAt < TWICE_MS;
    this.tappedAt = twice ? null : timeStamp;
    if (!twice || !this.session.held || stage.dataset.veiled === "true" || !stage.firstChild) return;
    const box = stage.firstChild.getBoundingClientRect();
    this.view.toggleZoom([(clientX - box.left) / box.width, (clientY - box.top) / box.height]);
  }

  press(meant, time) {
    if (!this.session.held) return;
    this.pressedAt = meant.command === "save" ? time : null;
    this.session.press(meant, time);
    this.pressedAt = null;
  }

  woken() {
    if (!this.session.held) return;
    this.session.startClock();
    this.outbox.kick();
  }

  // One tab per person: the others wait. Without locks (plain http) the server's revisions are the backstop.
  async takeLock(steal) {
    const name = `affectml-relabel:${this.identity}`;
    if (!navigator.locks) return this.begin();
    const hold = () => new Promise((resolve) => {
      this.release = resolve;
      this.begin();
    });
    const stolen = () => this.lose();
    if (steal) return navigator.locks.request(name, { steal: true }, hold).catch(stolen);
    this.turn = new AbortController();
    this.changed();
    return navigator.locks.request(name, { signal: this.turn.signal }, hold).catch(stolen);
  }

  begin() {
    if (this.closed) return this.release?.();
    this.turn = null;
    this.session.held = true;
    this.outbox.turn += 1;
    this.outbox.load();
    this.asked = null;
    this.session.reset();
    this.outbox.kick();
    this.takeFocus();
    return this.changed();
  }

  // Keys belong to the image, not to the button that led here; whoever is typing somewhere is left alone.
  takeFocus() {
    const at = document.activeElement;
    if (!at?.matches("input, textarea, [contenteditable=true]")) this.view.stage.focus({ preventScroll: true });
  }

  lose() {
    if (this.closed) return;
    this.session.held = false;
    this.outbox.turn += 1;
    this.session.reset();
    this.changed();
    this.takeLock(false);
  }

  changed(what) {
    const { session, view } = this;
    if (what === "item" || what === "picture") this.turnPage();
    if (what === "item") view.search.close();
    view.draw();
    if (what === "take") this.takeLock(true);
    else if (what === "look") view.toggleZoom();
    else if (what === "finish") this.goOn();
    else if (what === "help") view.toggleHelp();
    else if (what === "search") view.search.open();
    else if (what === "flag") view.note.focus();
    this.drawProgress();
  }

  // How many images to hold, as far as there is room.
  get wish() {
    const { saveData, effectiveType = "" } = navigator.connection ?? {};
    return saveData || effectiveType.endsWith("2g") ? FEW : Math.max(2, Math.min(MOST, Math.floor(this.pictures.room)));
  }

  // The last image of a study is behind this person, who may mend it until they say so.
  goOn() {
    this.finish = true;
    this.outbox.kick();
  }

  // Their visit is elsewhere now: the page draws where, once all is with the server that it still takes.
  moveOn() {
    if (this.moved || (this.outbox.waiting.size > 0 && !this.outbox.stopped)) return;
    this.moved = true;
    this.outbox.over = true;
    this.keepAsking(5_000);
  }

  // While its server is away Streamlit drops what it is told, so it is told again until the next page is there, more and
  // more seldom: each time begins a page anew that may be on its way.
  keepAsking(pause) {
    this.askForNext();
    this.asking = setTimeout(() => this.keepAsking(2 * pause), pause);
  }

  // Put the image in place. It counts as seen once enough of it is in the viewport and the browser has painted it.
  turnPage() {
    const { session, view } = this;
    const item = session.item;
    this.turnedAt = this.pressedAt;
    this.eye.disconnect();
    view.showPicture(item && this.pictures.get(item)?.element);
    if (item === null || session.paintedAt !== null) return;
    const element = view.stage.firstChild;
    if (element === null) requestAnimationFrame(() => this.afterPaint(item)); // broken: there is nothing to see
    else {
      view.stage.scrollIntoView({ block: "nearest" }); // where the window is too low for all of the page
      this.eye.observe(element);
    }
  }

  // The observer calls between layout and paint of a frame.
  seen(entry) {
    if (!entry.isIntersecting || entry.intersectionRatio < IN_VIEW || entry.target !== this.view.stage.firstChild) return;
    this.eye.disconnect();
    this.afterPaint(this.session.item);
  }

  afterPaint(item) {
    const { session } = this;
    setTimeout(() => {
      if (session.item !== item || session.paintedAt !== null || this.closed) return;
      session.painted(performance.now());
      if (this.turnedAt) performance.measure("relabel:next-image", { start: this.turnedAt, end: performance.now() });
    });
  }

  drawProgress() {
    if (this.closed) return;
    clearTimeout(this.later);
    // An answer on its way for a moment is no news.
    if (this.outbox.waiting.size === 0 || !this.outbox.online || this.outbox.stopped) this.view.drawProgress();
    else this.later = setTimeout(() => this.view.drawProgress(), 400);
    this.root.dataset.unsaved = String(this.outbox.waiting.size);
  }

  close() {
    this.closed = true;
    this.ending.abort();
    for (const timer of [this.heart, this.beat, this.later, this.asking]) clearInterval(timer);
    this.eye.disconnect();
    for (const each of [this.outbox, this.pictures]) each.close();
    this.turn?.abort();
    this.release?.();
  }
}

// What this tab keeps under a place of its own.
const memoryUnder = (place) => ({
  get: (name) => sessionStorage.getItem(place + name),
  set: (name, value) => {
    try {
      sessionStorage.setItem(place + name, value);
    } catch {
      // A draft is a convenience: without room for it, a reload starts this image afresh.
    }
  },
  remove: (name) => sessionStorage.removeItem(place + name),
});

// Streamlit's "Connection error" dialog covers the page while the server is away, and takes the keys. Labelling goes
// on without a server for as long as there are images, and the page says itself that it is offline.

const DIALOG = "[data-testid=stDialog]";

// Closes that dialog whenever it comes, as its own button does, and puts the focus back to where somebody was typing:
// all within one task of the browser, so that no key goes elsewhere in between. `down` is called in its stead.
function keepDialogAway(root, down, signal) {
  let interrupted = null;
  const lost = (event) => {
    interrupted = event.relatedTarget?.closest?.(DIALOG) ? event.target : null;
  };
  const look = () => {
    const dialog = document.querySelector(DIALOG);
    if (dialog?.querySelector("h2")?.textContent.trim() === "Connection error") {
      dialog.querySelector("button[aria-label=Close]")?.click();
      down();
    }
    if (dialog !== null || interrupted === null) return;
    if (interrupted.isConnected) interrupted.focus({ preventScroll: true });
    interrupted = null;
  };
  const observer = new MutationObserver(look);
  observer.observe(document.body, { childList: true });
  signal.addEventListener("abort", () => observer.disconnect());
  root.addEventListener("focusout", lost, { signal });
  look();
}
