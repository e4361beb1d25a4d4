// The labelling session: which image is in sight, what is selected, and when an answer counts. No drawing here.
//
// Rules. An answer is taken only for an image that was painted, and only if every key of it came after the paint.

import { Clock } from "./clock.js";
import { EarlyKeys } from "./early.js";
import { newId } from "./outbox.js";
import { keyOf } from "./pictures.js";
import { language } from "./texts.js";

const PACE_OVER = 30;
const ANSWERING = ["save", "none", "unsure", "skip", "flag"];

const TOLD = ["ask", "original", "suggestion", "warning"]; // what the server says of an image, in the language spoken

const empty = () => ({ labels: new Map(), kind: null, flag: false, note: "", valence: null, arousal: null });

export class Session {
  // pictures, outbox; settings: what the lead chose; memory: sessionStorage under a prefix; changed(what) redraws.
  constructor({ pictures, outbox, settings, memory, changed }) {
    Object.assign(this, { pictures, outbox, settings, memory, changed });
    this.queue = [];
    this.past = []; // {item, answer, revision, fixed}, oldest first
    this.conflicts = []; // those of them that met another answer of this person's, until they have read it
    this.at = null; // place in past while looking back
    this.item = null;
    this.selection = empty();
    this.paintedAt = null;
    this.revealed = true;
    this.clock = new Clock();
    this.paused = false;
    this.early = new EarlyKeys(changed);
    this.dry = false; // whether the server had no image left for us when it last told
    this.done = 0;
    this.team = null;
    this.left = null; // images that could still come to this person
    this.pace = [];
    this.worked = 0; // seconds since the last break
    this.notice = null;
    this.input = "keys";
    this.practised = null; // in a study: what came of the last try
    this.warned = false;
  }

  // What the server gave

  // Forget all images: they may have been answered elsewhere meanwhile.
  reset() {
    this.queue = [];
    this.past = [];
    this.conflicts = [];
    this.at = null;
    this.show(null);
  }

  receive(reply) {
    this.dry = reply.items.length === 0;
    this.done = reply.done;
    this.team = reply.team;
    this.left = reply.left;
    this.of = reply.of;
    this.practised = reply.practised ?? this.practised;
    this.warned = Boolean(reply.warned) && this.memory.get("warned") === null;
    if (reply.past) this.remember(reply.past);
    for (const receipt of reply.receipts) this.receipt(receipt);
    const taken = new Set(this.past.map((entry) => keyOf(entry.item)));
    const inSight = this.item && keyOf(this.item);
    this.retell(reply);
    this.queue = reply.items.filter((item) => {
      const key = keyOf(item);
      return key !== inSight && !taken.has(key) && !this.outbox.has(item);
    });
    if (this.item === null && this.at === null) this.advance();
    else this.stock();
    this.changed("queue");
  }

  remember(past) {
    const mine = new Map(this.past.map((entry) => [keyOf(entry.item), entry]));
    const before = past
      .filter((entry) => !mine.has(keyOf(entry)))
      .map(({ answer, revision, fixed, ...item }) => ({ item, answer, revision, fixed }));
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
    this.changed("told");
  }

  receipt(receipt) {
    const entry = this.past.find((known) => known.event === receipt.id);
    if (!entry) return;
    if (receipt.status === "refused") {
      this.past.splice(this.past.indexOf(entry), 1);
      if (this.at !== null && this.at >= this.past.length) this.at = null;
    } else {
      entry.revision = receipt.revision;
      if (receipt.status === "conflict") {
        this.conflicts.push(entry);
        if (entry === this.past[this.at]) this.say("conflict");
        this.changed("conflicts");
      }
    }
  }

  // Somebody has read of a conflict, and may want to look at its image.
  meetConflict(entry, show) {
    const at = this.past.indexOf(entry);
    if (show && at >= 0) this.leaveFor(at);
    else this.conflicts = this.conflicts.filter((each) => each !== entry);
    this.changed("conflicts");
  }

  pictureReady(item) {
    const visited = this.past[this.at]?.item;
    if (this.item === null && this.at === null) this.advance();
    else if (this.item === null && visited && keyOf(item) === keyOf(visited)) this.visit(this.at);
    else if (this.item && keyOf(item) === keyOf(this.item)) this.changed("picture");
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
    if (!next || picture.state === "loading" || picture.state === "failed" || this.paused) {
      this.show(null);
      return;
    }
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
    if (this.notice === "conflict") this.say(null); // it was about the image before
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
    this.changed("painted");
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
    if (this.tooEarly(meant, time)) return;
    this.input = "keys";
    this.act(meant);
  }

  click(meant, input = "pointer") {
    const { label, command } = meant;
    if (this.item !== null && this.paintedAt === null && (label !== undefined || ANSWERING.includes(command))) {
      this.say("unseen");
      return;
    }
    this.input = input;
    this.act(meant);
  }

  tooEarly({ label, command }, time) {
    return (label !== undefined || ANSWERING.includes(command)) && this.early.drops(command, time, this);
  }

  act({ label, command }) {
    if (label !== undefined) this.toggle(label);
    else if (command === "save") this.save();
    else if (command === "flag") this.flag();
    else if (ANSWERING.includes(command)) this.choose(command);
    else if (command === "back") this.back();
    else if (command === "forward") this.forward();
    else if (command === "pause") this.pause(!this.paused);
    else if (command === "dismiss") this.early.count(0);
    else if (command === "look" && this.item && !this.revealed) this.reveal();
    else if (command === "pass") this.pass();
    else this.changed(command); // zoom, search, help: the view's own business
  }

  reveal() {
    this.revealed = true;
    if (this.paintedAt !== null) this.paintedAt = performance.now();
    this.startClock();
    this.changed("item-look");
  }

  // Skip a covered image, unseen.
  pass() {
    const { item, selection } = this;
    this.selection = { ...empty(), kind: "skip" };
    this.revealed = true;
    this.save();
    if (this.item === item) Object.assign(this, { selection, revealed: false }); // it was not taken
    this.changed("item-look");
  }

  understood() {
    this.memory.set("warned", "read");
    this.warned = false;
    this.changed("queue");
  }

  pause(on) {
    if (on) this.clock.stop();
    this.paused = on;
    if (!on) {
      this.worked = 0;
      this.say(null);
      if (this.item === null && this.at === null) this.advance();
      else this.startClock();
    }
    this.changed("item-look");
  }

  // What is selected

  toggle(label) {
    if (!this.ready) return;
    if (this.broken) return void this.say("damaged");
    const { labels } = this.selection;
    this.selection.kind = null;
    if (this.settings.single) labels.clear();
    const strength = labels.get(label);
    if (strength === undefined) labels.set(label, 1);
    else if (this.settings.intensity && strength < 3) labels.set(label, strength + 1);
    else labels.delete(label);
    this.edited();
  }

  choose(kind) {
    if (!this.ready) return;
    if (this.broken && (kind === "none" || kind === "unsure")) return void this.say("damaged");
    if (kind === "none" && this.settings.single) return;
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
    if (redraw) this.changed("selection");
  }

  draft(item) {
    const text = this.memory.get("draft");
    const draft = text ? JSON.parse(text) : null;
    return draft && draft.image === item.image && draft.round === item.round ? draft : null;
  }

  // Whether anything was chosen or saved since the page was opened, or chosen before and not saved yet.
  get begun() {
    return this.memory.get("draft") !== null || this.past.some((entry) => entry.event);
  }

  plain() {
    const { labels, kind, flag, note, valence, arousal } = this.selection;
    return {
      kind: labels.size > 0 ? "labels" : (kind ?? (flag ? "skip" : null)),
      labels: [...labels.keys()],
      intensities: this.settings.intensity && labels.size > 0 ? [...labels.values()] : null,
      flag,
      note: flag || note ? note : null,
      valence,
      arousal,
    };
  }

  // kind "flag": of a draft from when a flag was a kind.
  select({ kind, labels = [], intensities = null, flag = kind === "flag", note = "", valence = null, arousal = null }) {
    this.selection = {
      labels: new Map(labels.map((label, n) => [label, intensities?.[n] ?? 1])),
      kind: kind === "labels" || (flag && (kind === "skip" || kind === "flag")) ? null : (kind ?? null),
      flag,
      note: note ?? "",
      valence,
      arousal,
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
    const answer = {
      ...said,
      id: newId(),
      seq: this.outbox.nextSeq(),
      image: this.item.image,
      round: this.item.round,
      ticket: this.item.ticket,
      seconds: Math.round(seconds * 1000) / 1000,
      at: this.outbox.now(),
      base_revision: entry.revision,
      input: this.input,
      language: language(),
    };
    try {
      this.outbox.put(answer);
    } catch {
      return this.say("full"); // the image stays: nothing was taken
    }
    Object.assign(entry, { answer: said, event: answer.id, revision: entry.revision + 1 });
    if (this.at === null) {
      entry.fixed = this.settings.blindFirst && this.item.look === "first";
      if (this.settings.practice) this.practised = null;
      else this.past.push(entry);
      this.done += 1;
      this.pace = [...this.pace, seconds].slice(-PACE_OVER);
      this.worked += seconds;
      this.memory.remove("draft");
      this.say(this.breakDue() ? "break" : null);
      this.advance();
    } else {
      this.say(null);
      this.forward();
    }
    this.early.answered();
    this.outbox.kick();
    return undefined;
  }

  breakDue() {
    const { breakMinutes } = this.settings;
    return breakMinutes > 0 && this.worked >= breakMinutes * 60;
  }

  back() {
    let at = (this.at ?? this.past.length) - 1;
    while (at >= 0 && this.past[at].fixed) at -= 1;
    if (at < 0) return this.say(this.past.length ? "fixed" : "first");
    return this.leaveFor(at);
  }

  leaveFor(at) {
    if (this.at === null && this.item !== null) this.queue.unshift(this.item);
    this.visit(at);
  }

  forward() {
    if (this.at === null) return undefined;
    let at = this.at + 1;
    while (at < this.past.length && this.past[at].fixed) at += 1;
    return at < this.past.length ? this.visit(at) : this.advance();
  }

  visit(at) {
    const entry = this.past[at];
    const picture = this.pictures.want(entry.item);
    this.at = at;
    const there = picture.state === "ready" || picture.state === "broken";
    this.show(there ? entry.item : null, entry.answer);
    if (!there || !this.conflicts.includes(entry)) return;
    this.conflicts = this.conflicts.filter((each) => each !== entry);
    this.say("conflict"); // here it stands with its image
  }

  say(notice) {
    if (this.notice === notice) return;
    this.notice = notice;
    this.changed("notice");
  }

  get secondsEach() {
    if (this.pace.length < 3) return null;
    return this.pace.reduce((sum, each) => sum + each, 0) / this.pace.length;
  }
}
