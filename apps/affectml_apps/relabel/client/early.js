// Keys that came before their image was painted. They are dropped up to and including their Enter, so that a set is what
// was typed or nothing. How many were dropped stays in sight until it was read, or some answers later.

// Dropping is over this long after the last of them and after the paint: whoever goes on sooner is still typing the set
// that began too early, and would store the rest of it. Shorter, a slow machine's own pauses split sets.
const PAUSE_MS = 1000;
const DROPPED_FOR = 5; // answers for which the number of dropped keys stays in sight

export class EarlyKeys {
  constructor(changed) {
    this.changed = changed;
    this.dropping = false;
    this.at = 0;
    this.dropped = 0; // of late
    this.since = 0;
  }

  // Whether a key of an answer is dropped, pressed at this time.
  drops(command, time, { ready, paintedAt, finished }) {
    const early = !ready || time < paintedAt;
    if (!early && !(this.dropping && time - Math.max(this.at, paintedAt) < PAUSE_MS)) {
      this.dropping = false;
      return false;
    }
    this.dropping = command !== "save";
    this.at = time;
    if (!finished) this.count(this.dropped + 1);
    return true;
  }

  count(n) {
    this.dropped = n;
    this.since = 0;
    this.changed("dropped");
  }

  answered() {
    this.since += 1;
    if (this.dropped > 0 && this.since >= DROPPED_FOR) this.count(0);
  }
}
