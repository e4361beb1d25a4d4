// Answers on their way to the server. Each lies in localStorage from before the next image is shown until the server
// has acknowledged it by its id; one POST is in flight at a time and carries all that is unacknowledged.

const RETRY_MS = [1000, 2000, 4000];
const PATIENCE_MS = 15000;
const BATCH = 200;

export function newId() {
  // crypto.randomUUID exists only on https and localhost.
  if (crypto.randomUUID) return crypto.randomUUID();
  const b = crypto.getRandomValues(new Uint8Array(16));
  b[6] = (b[6] & 0x0f) | 0x40;
  b[8] = (b[8] & 0x3f) | 0x80;
  const hex = [...b].map((x) => x.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

export class Outbox {
  // place: a prefix of its own for this task and person. post(message) sends and returns the reply.
  // ask() gives what else to send; onReply(reply) and onChange() tell the page.
  constructor({ place, post, ask, onReply, onChange }) {
    Object.assign(this, { place, post, ask, onReply, onChange });
    this.waiting = new Map(); // id -> answer, in the order given
    this.refused = new Map(); // id -> {answer, error}
    this.online = true;
    this.stopped = null; // a reason that retrying will not mend (signed out, withdrawn)
    this.busy = false;
    this.again = false;
    this.failures = 0;
    this.clock = 0; // server's clock minus ours, in seconds
    this.timer = null;
    this.seq = 0;
    this.turn = 0; // grows when this tab gets or loses its turn: what was asked before is answered for nobody
    this.closed = false;
    this.wake = () => this.kick();
    addEventListener("online", this.wake);
  }

  // Read what an earlier page or another tab of this person left behind.
  load() {
    this.waiting.clear();
    this.refused.clear();
    const found = [];
    for (let at = 0; at < localStorage.length; at += 1) {
      const key = localStorage.key(at);
      if (key.startsWith(`${this.place}answer:`)) found.push(JSON.parse(localStorage.getItem(key)));
      if (key.startsWith(`${this.place}refused:`)) {
        const kept = JSON.parse(localStorage.getItem(key));
        this.refused.set(kept.answer.id, kept);
      }
    }
    found.sort((a, b) => a.seq - b.seq);
    for (const answer of found) this.waiting.set(answer.id, answer);
  }

  nextSeq() {
    this.seq = Math.max(this.seq + 1, Date.now());
    return this.seq;
  }

  now() {
    return Date.now() / 1000 + this.clock;
  }

  // Keep an answer. Throws where the browser cannot store it: then it was not taken.
  put(answer) {
    localStorage.setItem(`${this.place}answer:${answer.id}`, JSON.stringify(answer));
    this.waiting.set(answer.id, answer);
  }

  forgetRefused(id) {
    localStorage.removeItem(`${this.place}refused:${id}`);
    this.refused.delete(id);
    this.onChange();
  }

  has(item) {
    for (const answer of this.waiting.values()) {
      if (answer.image === item.image && answer.round === item.round) return true;
    }
    return false;
  }

  async kick() {
    if (this.closed || this.stopped) return;
    if (this.busy) {
      this.again = true;
      return;
    }
    this.busy = true;
    clearTimeout(this.timer);
    try {
      do {
        this.again = false;
        await this.send();
      } while (this.again && this.online && !this.stopped && !this.closed);
    } finally {
      this.busy = false;
      this.onChange();
    }
  }

  async send() {
    const answers = [...this.waiting.values()].slice(0, BATCH);
    const { turn } = this;
    let reply;
    try {
      reply = await this.post({ ...this.ask(), answers }, AbortSignal.timeout(PATIENCE_MS));
    } catch (error) {
      if (this.closed) return;
      if (error.final) {
        this.stopped = error.message;
        return;
      }
      this.online = false;
      const wait = RETRY_MS[Math.min(this.failures, RETRY_MS.length - 1)];
      this.failures += 1;
      this.timer = setTimeout(this.wake, wait);
      return;
    }
    if (this.closed) return;
    this.online = true;
    this.failures = 0;
    this.clock = reply.now - Date.now() / 1000;
    for (const receipt of reply.receipts) this.settle(receipt);
    if (this.waiting.size > 0 && answers.length === BATCH) this.again = true;
    if (turn === this.turn) this.onReply(reply);
    else this.again = true;
  }

  settle(receipt) {
    const answer = this.waiting.get(receipt.id);
    if (answer === undefined) return;
    if (receipt.status === "refused") {
      const kept = { answer, error: receipt.error };
      localStorage.setItem(`${this.place}refused:${answer.id}`, JSON.stringify(kept));
      this.refused.set(answer.id, kept);
    }
    this.waiting.delete(answer.id);
    localStorage.removeItem(`${this.place}answer:${answer.id}`);
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    removeEventListener("online", this.wake);
  }
}
