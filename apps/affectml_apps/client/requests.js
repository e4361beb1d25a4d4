// Requests to the server, and the answers on their way to it.
//
// An answer lies in localStorage from before the next image is shown until the server
// has acknowledged it; one POST is in flight at a time and carries all that is unacknowledged. What the server will
// never take is set aside with the reason, and the rest goes on: no answer blocks the ones behind it.

const RETRY_MS = [1000, 2000, 4000];
const PATIENCE_MS = 15000;
const BATCH = 200;

// Ask the server for something. Throws what it says instead: `busy` or `away` for now, `wait` (ms) until then; `final`:
// one that says no will say no again; `unreadable`: to what was sent.
export async function ask(address, options) {
  const reply = await fetch(address, options);
  if (reply.ok) return reply;
  const body = await reply.json().catch(() => ({}));
  const error = new Error(body.error ?? reply.statusText);
  error.busy = reply.status === 429;
  error.away = reply.status >= 500 && Boolean(body.error); // our server is there, and its database is not
  if (error.busy || error.away) error.wait = 1000 * Math.min(Math.max(Number(reply.headers.get("retry-after")) || 1, 1), 600);
  else if (reply.status < 500) error.final = true;
  error.unreadable = [400, 413].includes(reply.status);
  throw error;
}

// An id that nothing else has. (crypto.randomUUID exists only on https and localhost.)
export const newId = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join("-");

export class Outbox {
  // place: a prefix of its own for this task and person. post(message) sends and returns the reply.
  // ask() gives what else to send; onReply(reply), onRefused(id), onStopped() and onChange() tell the page.
  constructor(options) {
    for (const name of ["ask", "onReply", "onRefused", "onStopped", "onChange"]) this[name] = () => {};
    Object.assign(this, options);
    this.waiting = new Map(); // id -> answer, in the order given
    this.refused = new Map(); // id -> {answer, error}
    this.online = true;
    this.away = false; // offline, though the server answers: its database does not
    this.stopped = null; // a reason that retrying will not mend (signed out, withdrawn)
    this.busy = false;
    this.again = false;
    this.failures = 0;
    this.most = BATCH; // fewer at once while a body that the server cannot read is being searched
    this.waits = false; // until a time that the server said
    this.clock = 0; // server's clock minus ours, in seconds
    this.timer = null;
    this.seq = 0;
    this.turn = 0; // grows when this tab gets or loses its turn: what was asked before is answered for nobody
    this.closed = false;
    this.over = false; // the page moves on: nothing is asked for any more, and what waits is still sent
    this.ending = new AbortController();
    const { signal } = this.ending;
    for (const each of ["online", "offline"]) addEventListener(each, () => this.kick(), { signal }); // and say so at once
  }

  // Read what an earlier page or another tab of this person left behind. From here on memory is what counts: what lies
  // in the browser's store is only written, until the next page reads it.
  load() {
    // A seq that is no number has no place in the order, and must not shuffle the others.
    const order = ({ seq }) => (Number.isFinite(seq) ? seq : Infinity);
    const answers = this.kept("answer").sort((a, b) => (order(a) < order(b) ? -1 : Number(order(a) > order(b))));
    this.waiting = new Map(answers.map((answer) => [answer.id, answer]));
    this.refused = new Map(this.kept("refused").map((kept) => [kept.answer.id, kept]));
  }

  // What lies there of a kind.
  kept(kind) {
    const read = (key) => {
      try {
        return JSON.parse(localStorage.getItem(key));
      } catch {
        return null; // not written by us
      }
    };
    return Object.keys(localStorage).filter((key) => key.startsWith(`${this.place}${kind}:`)).map(read).filter((kept) => (kept?.answer ?? kept)?.id);
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
    for (const kind of ["refused", "answer"]) localStorage.removeItem(`${this.place}${kind}:${id}`);
    this.refused.delete(id);
    this.onChange();
  }

  has({ image, round }) {
    return [...this.waiting.values()].some((answer) => answer.image === image && answer.round === round);
  }

  async kick() {
    if (this.closed || this.stopped || this.waits) return;
    this.again = true;
    if (this.busy) return;
    clearTimeout(this.timer);
    this.busy = true;
    try {
      do {
        this.again = false;
        await this.send();
      } while (this.again && this.online && !this.stopped && !this.closed && !this.waits);
    } finally {
      this.busy = false;
      this.onChange();
    }
  }

  async send() {
    if (this.over && this.waiting.size === 0) return; // the server would only refuse
    const answers = [...this.waiting.values()].slice(0, this.most);
    const { turn } = this;
    let reply;
    try {
      reply = await this.post({ ...this.ask(), answers }, AbortSignal.timeout(PATIENCE_MS));
      if (reply.receipts?.length !== answers.length) throw new Error("no reply of this server");
    } catch (error) {
      if (!this.closed) this.failed(error, answers);
      return;
    }
    if (this.closed) return;
    this.online = true;
    this.failures = 0;
    this.clock = reply.now - Date.now() / 1000;
    reply.receipts.forEach((receipt, at) => this.settle(answers[at], receipt));
    if (this.waiting.size > 0 && answers.length === this.most) this.again = true;
    this.most = Math.min(this.most * 2, BATCH);
    if (reply.problem) this.stopped = reply.problem;
    else if (turn === this.turn) this.onReply(reply);
    else this.again = true;
  }

  failed(error, answers) {
    if (error.unreadable && answers.length > 0) {
      // Which answer it is shows by halves; the last one left is set aside, and the others go on.
      if (answers.length > 1) this.most = Math.floor(answers.length / 2);
      else {
        this.refuse(answers[0], error.message);
        this.onRefused(answers[0].id);
      }
      this.online = true;
      this.again = true;
      return;
    }
    if (error.final) {
      this.online = true; // the server is back, and says no
      this.stopped = error.message;
      this.onStopped();
      return;
    }
    this.away = Boolean(error.away);
    this.online = Boolean(error.busy);
    const wait = error.wait ?? RETRY_MS[Math.min(this.failures, RETRY_MS.length - 1)];
    this.waits = Boolean(error.wait);
    if (!this.waits) this.failures += 1;
    this.timer = setTimeout(() => {
      this.waits = false;
      this.kick();
    }, wait);
  }

  settle(answer, receipt) {
    if (!this.waiting.has(answer.id)) return;
    if (receipt.status === "refused") this.refuse(answer, receipt.error);
    else this.forget(answer);
  }

  // Kept beside, with the reason, until the person has read it.
  refuse(answer, error) {
    const kept = { answer, error };
    this.refused.set(answer.id, kept);
    try {
      localStorage.setItem(`${this.place}refused:${answer.id}`, JSON.stringify(kept));
    } catch {
      return; // no room: it stays among those to be sent, and is refused again after a reload
    } finally {
      this.waiting.delete(answer.id);
    }
    this.forget(answer);
  }

  forget(answer) {
    this.waiting.delete(answer.id);
    localStorage.removeItem(`${this.place}answer:${answer.id}`);
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    this.ending.abort();
  }
}
