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
