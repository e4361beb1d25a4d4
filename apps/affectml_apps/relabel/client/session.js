// The labelling session: which image is in sight, what is selected, and when an answer counts. No drawing here.
//
// Rules. An answer is taken only for an image that was painted, and only if every key of it came after the paint.

import { newId } from "./requests.js";
import { keyOf } from "./pictures.js";
import { language } from "./texts.js";

const KINDS = ["none", "unsure", "skip"];
const ANSWERING = ["save", "flag", ...KINDS];
const OWN = ["save", "flag", "back", "forward", "pause", "pass"]; // methods here
const TOLD = ["original", "warning"]; // what the server says of an image, in the language spoken
// So long after the last early key and after the paint, keys count again: whoever goes on sooner is still typing the set
// that began too early, and would store the rest of it. Shorter, a slow machine's own pauses split sets.
const PAUSE_MS = 1000;

const answers = ({ label, command }) => label !== undefined || ANSWERING.includes(command);

const empty = () => ({ labels: new Map(), kind: null, flag: false, note: "", valence: null, arousal: null });

export class Session {
  // pictures, outbox; settings: what the lead chose; memory: sessionStorage under a prefix; changed(what) redraws
  // (what: "item" or "picture" where another one is in sight, or a command that is the page's own).
  constructor({ pictures, outbox, settings, memory, changed }) {
    Object.assign(this, { pictures, outbox, settings, memory, changed });
    this.queue = [];
    this.past = []; // {item, answer, revision, conflict}, oldest first
    this.at = null; // place in past while looking back
    Object.assign(this, { item: null, selection: empty(), paintedAt: null, revealed: true, paused: false, notice: null });
    this.clock = new Clock();
    this.input = "keys";
    this.held = false; // whether this tab has its person's turn
    this.dropping = false; // whether keys of answers are dropped, the last one at droppedAt
    this.droppedAt = 0;
    this.dry = false; // whether the server had no image left for us when it last told
    this.done = 0;
    this.of = null; // images in all
    this.worked = 0; // seconds since the last break
    this.practised = null; // in a study: what came of the last try
    this.warned = false;
  }

  // What the server gave

  // Forget all images: they may have been answered elsewhere meanwhile.
  reset() {
    this.queue = [];
    this.past = [];
    this.at = null;
    this.show(null);
  }

  receive(reply) {
    this.dry = reply.items.length === 0;
    this.of = reply.of;
    this.practised = reply.practised ?? this.practised;
    this.warned = Boolean(reply.warned) && this.memory.get("warned") === null;
    if (reply.past) this.remember(reply.past);
    for (const receipt of reply.receipts) this.receipt(receipt);
    this.done = reply.done + this.past.filter((entry) => this.isNews(entry)).length;
    const taken = new Set(this.past.map((entry) => keyOf(entry.item)));
    const inSight = this.item && keyOf(this.item);
    this.retell(reply);
    const isNext = (item) => keyOf(item) !== inSight && !taken.has(keyOf(item)) && !this.outbox.has(item);
    this.queue = reply.items.filter(isNext);
    if (this.item === null && this.at === null) this.advance();
    else this.stock();
    this.changed();
  }

  // Whether the server has yet to hear of this image for the first time.
  isNews({ item, event }) {
    const waiting = this.outbox.waiting.get(event);
    return waiting !== undefined && waiting.base_revision === item.revision;
  }

  // The number of the image in sight, or to come; null where it has none, or none is left.
  get place() {
    if (this.item === null && this.finished) return null;
    return this.done + 1 - (this.at === null ? 0 : this.past.length - this.at);
  }

  remember(past) {
    const mine = new Map(this.past.map((entry) => [keyOf(entry.item), entry]));
    const before = past
      .filter((entry) => !mine.has(keyOf(entry)))
      .map(({ answer, revision, ...item }) => ({ item, answer, revision }));
    this.past = [...before, ...this.past];
    if (this.at !== null) this.at += before.length;
  }

  // The server may have said the same of an image in another language before.
  retell({ items, past = [] }) {
    const given = new Map([...past, ...items].map((item) => [keyOf(item), item]));
    for (const item of [this.item, ...this.past.map((entry) => entry.item)]) {
      const told = item && given.get(keyOf(item));
      if (told) for (const name of TOLD) if (told[name] !== undefined) item[name] = told[name];
    }
  }

  receipt(receipt) {
    const entry = this.past.find((known) => known.event === receipt.id);
    if (!entry) return;
    if (receipt.status === "refused") {
      this.past.splice(this.past.indexOf(entry), 1);
      if (this.at !== null && this.at >= this.past.length) this.at = null;
    } else {
      entry.revision = receipt.revision;
      entry.conflict ||= receipt.status === "conflict"; // it met another answer of this person's
    }
  }

  // Somebody has read of a conflict.
  meetConflict(entry) {
    entry.conflict = false;
    this.changed();
  }

  pictureReady(item) {
    const visited = this.past[this.at]?.item;
    if (this.item === null && this.at === null) this.advance();
    else if (this.item === null && visited && keyOf(item) === keyOf(visited)) this.visit(this.at);
    else this.changed(this.item && keyOf(item) === keyOf(this.item) ? "picture" : undefined);
  }

  // Which image is in sight

  advance() {
    this.at = null;
    let next = this.queue[0];
    let picture = next && this.pictures.want(next);
    if (next && !this.pictures.has(next) && (picture.state === "failed" || !this.outbox.online)) {
      next = this.queue.find((item) => this.pictures.has(item)) ?? next; // what is here goes on without a connection
      picture = this.pictures.want(next);
    }
    if (!next || picture.state === "loading" || picture.state === "failed" || this.paused) return void this.show(null);
    this.queue.splice(this.queue.indexOf(next), 1);
    this.show(next);
  }

  // Have what comes next fetched.
  stock() {
    this.pictures.stock(this.item === null ? this.queue : [this.item, ...this.queue]);
  }

  // How many images of the round are on this device, to be answered without a connection.
  get here() {
    return [this.at === null ? this.item : null, ...this.queue].filter((item) => item && this.pictures.has(item)).length;
  }

  show(item, answer = null) {
    if (this.notice === "covered") this.say(null); // it was about the image before
    this.item = item;
    this.selection = empty();
    this.paintedAt = null;
    this.clock.clear();
    this.revealed = !(this.settings.blur || item?.warning) || (this.broken && !this.pictures.get(item).element);
    if (item !== null) {
      const from = answer ?? this.draft(item) ?? item.before ?? null;
      if (from) this.select(from);
    }
    if (item === null) this.stock();
    this.changed("item");
  }

  // The page has painted the image in sight; `time` on the clock of key events.
  painted(time) {
    this.paintedAt = time;
    this.startClock();
    this.stock(); // not a moment earlier: decoding the next one would keep this one from being painted
    this.changed();
  }

  get ready() {
    return this.item !== null && this.paintedAt !== null && this.revealed && !this.paused;
  }

  // Nothing is left in this round: said by the server, not guessed from an empty queue.
  get finished() {
    return this.dry && this.at === null && this.outbox.waiting.size === 0;
  }

  get broken() {
    return this.item !== null && this.pictures.get(this.item)?.state === "broken";
  }

  startClock() {
    if (this.ready && !document.hidden) this.clock.start();
  }

  // Keys and clicks. Both come here; `time` is the event's own.

  press(meant, time) {
    if (answers(meant) && this.drops(meant.command, time)) return this.sayUncounted();
    this.input = "keys";
    this.act(meant);
  }

  click(meant) {
    if (answers(meant) && this.item !== null && (this.covered || this.paintedAt === null)) return this.sayUncounted();
    this.input = "pointer";
    return this.act(meant);
  }

  // Whether a key of an answer came before its image was painted. Such keys are dropped up to and including their Enter,
  // so that a set is what was typed or nothing.
  drops(command, time) {
    const early = !this.ready || time < this.paintedAt;
    if (!early && !(this.dropping && time - Math.max(this.droppedAt, this.paintedAt) < PAUSE_MS)) {
      this.dropping = false;
      return false;
    }
    this.dropping = command !== "save";
    this.droppedAt = time;
    return true;
  }

  get covered() {
    return this.item !== null && !this.revealed && !this.paused;
  }

  sayUncounted() {
    if (!this.finished) this.say(this.covered ? "covered" : "unseen");
  }

  act({ label, command }) {
    if (label !== undefined) this.toggle(label);
    else if (KINDS.includes(command)) this.choose(command);
    else if (OWN.includes(command)) this[command]();
    else if (command === "look" && this.item && !this.revealed) this.reveal();
    else this.changed(command); // zoom, search, help, the turn: the page's own business
  }

  reveal() {
    this.revealed = true;
    if (this.notice === "covered") this.say(null);
    if (this.paintedAt !== null) this.paintedAt = performance.now();
    this.startClock();
    this.changed();
  }

  // Skip a covered image, unseen.
  pass() {
    const { item, selection } = this;
    this.selection = { ...empty(), kind: "skip" };
    this.revealed = true;
    this.save();
    if (this.item === item) Object.assign(this, { selection, revealed: false }); // it was not taken
    this.changed();
  }

  understood() {
    this.memory.set("warned", "read");
    this.warned = false;
    this.changed();
  }

  pause() {
    this.paused = !this.paused;
    if (this.paused) this.clock.stop();
    else {
      this.worked = 0;
      this.say(null);
      if (this.item === null && this.at === null) this.advance();
      else this.startClock();
    }
    this.changed();
  }

  // What is selected

  toggle(label) {
    if (!this.ready) return;
    if (this.broken) return void this.say("damaged");
    const { labels } = this.selection;
    this.selection.kind = null;
    const strength = labels.get(label);
    if (strength === undefined) labels.set(label, 1);
    else if (this.settings.intensity && strength < 3) labels.set(label, strength + 1);
    else labels.delete(label);
    this.edited();
  }

  choose(kind) {
    if (!this.ready) return;
    if (this.broken && (kind === "none" || kind === "unsure")) return void this.say("damaged");
    this.selection.labels.clear();
    this.selection.kind = this.selection.kind === kind ? null : kind;
    this.edited();
  }

  // Beside whatever is chosen.
  flag() {
    if (!this.ready) return;
    this.selection.flag = !this.selection.flag;
    this.edited();
    if (this.selection.flag) this.changed("flag");
  }

  feel(axis, value) {
    if (!this.ready) return;
    this.selection[axis] = value;
    this.edited();
  }

  setNote(text) {
    this.selection.note = text;
    this.edited(false);
  }

  edited(redraw = true) {
    this.say(null);
    if (this.at === null) {
      const { image, round } = this.item;
      this.memory.set("draft", JSON.stringify({ image, round, ...this.plain() }));
    }
    if (redraw) this.changed();
  }

  draft(item) {
    const text = this.memory.get("draft");
    const draft = text ? JSON.parse(text) : null;
    return draft && draft.image === item.image && draft.round === item.round ? draft : null;
  }

  plain() {
    const { labels, kind, flag, note, valence, arousal } = this.selection;
    return {
      kind: labels.size > 0 ? "labels" : (kind ?? (flag ? "skip" : null)), labels: [...labels.keys()],
      intensities: this.settings.intensity && labels.size > 0 ? [...labels.values()] : null,
      flag, note: flag || note ? note : null, valence, arousal,
    };
  }

  // kind "flag": of a draft from when a flag was a kind.
  select({ kind, labels = [], intensities = null, flag = kind === "flag", note = "", valence = null, arousal = null }) {
    this.selection = {
      labels: new Map(labels.map((label, n) => [label, intensities?.[n] ?? 1])),
      kind: kind === "labels" || (flag && (kind === "skip" || kind === "flag")) ? null : (kind ?? null),
      flag, note: note ?? "", valence, arousal,
    };
  }

  // Saving, and going back

  save() {
    if (!this.ready) return;
    const said = this.plain();
    if (said.kind === null) return this.say("nothing");
    if (said.flag && !said.note.trim()) {
      this.say("note");
      return this.changed("flag"); // on to the note: what is typed next belongs there
    }
    const { seconds } = this.clock;
    if (seconds < this.settings.minView && said.kind !== "skip") return this.say("look");
    const entry = this.at === null ? { item: this.item, revision: this.item.revision } : this.past[this.at];
    const { image, round, ticket } = this.item;
    const answer = {
      ...said, image, round, ticket, id: newId(), seq: this.outbox.nextSeq(), base_revision: entry.revision,
      seconds: Math.round(seconds * 1000) / 1000, at: this.outbox.now(), input: this.input, language: language(),
    };
    try {
      this.outbox.put(answer);
    } catch {
      return this.say("full"); // the image stays: nothing was taken
    }
    Object.assign(entry, { answer: said, event: answer.id, revision: entry.revision + 1 });
    if (this.at === null) {
      if (this.settings.practice) this.practised = null;
      else this.past.push(entry);
      this.done += 1;
      this.worked += seconds;
      this.memory.remove("draft");
      const { breakMinutes } = this.settings;
      this.say(breakMinutes > 0 && this.worked >= breakMinutes * 60 ? "break" : null);
      this.advance();
    } else {
      this.say(null);
      this.forward();
    }
    return this.outbox.kick();
  }

  back() {
    const at = (this.at ?? this.past.length) - 1;
    if (at < 0) return this.say("first");
    if (this.at === null && this.item !== null) this.queue.unshift(this.item);
    return this.visit(at);
  }

  forward() {
    if (this.at === null) return undefined;
    return this.at + 1 < this.past.length ? this.visit(this.at + 1) : this.advance();
  }

  visit(at) {
    const entry = this.past[at];
    const picture = this.pictures.want(entry.item);
    this.at = at;
    const there = picture.state === "ready" || picture.state === "broken";
    this.show(there ? entry.item : null, entry.answer);
  }

  say(notice) {
    if (this.notice === notice) return;
    this.notice = notice;
    this.changed();
  }
}

// The clock of an image: seconds in sight, without the time the page was hidden, frozen or paused.

const FROZEN_MS = 5000; // without a beat, which comes each second: the tab or the machine slept, and nobody looked

export class Clock {
  constructor() {
    this.clear();
  }

  clear() {
    this.elapsed = 0;
    this.last = null; // the last beat, while it runs
  }

  start() {
    this.last ??= performance.now();
  }

  stop() {
    this.beat();
    this.last = null;
  }

  beat() {
    if (this.last === null) return;
    const gap = performance.now() - this.last;
    this.last += gap;
    if (gap <= FROZEN_MS) this.elapsed += gap;
  }

  get seconds() {
    this.beat();
    return this.elapsed / 1000;
  }
}
