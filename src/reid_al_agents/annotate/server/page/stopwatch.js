// How long something was looked at: the time runs while the page can be seen.

export class Stopwatch {
  #passed = 0;
  #since = null;

  constructor() {
    document.addEventListener("visibilitychange", () => this.#turn());
  }

  restart() {
    this.#passed = 0;
    this.#since = null;
    this.#turn();
  }

  /** @returns {number} seconds since the start, those in the background left out */
  get seconds() {
    return (this.#passed + (this.#since === null ? 0 : performance.now() - this.#since)) / 1000;
  }

  #turn() {
    if (document.visibilityState === "visible") this.#since ??= performance.now();
    else if (this.#since !== null) {
      this.#passed += performance.now() - this.#since;
      this.#since = null;
    }
  }
}
