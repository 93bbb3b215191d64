// Answers on their way: kept in the browser until the server says that it has them on disk.
//
// Each entry has a place of its own in localStorage, so that two tabs never overwrite one another's. Entries go
// out one at a time, in the order in which they were made: an undo takes back the answer before it. A repeated
// entry does no harm, as the server counts a key once.

const FIRST_WAIT = 500; // milliseconds before the first repetition; doubles up to the longest
const LONGEST_WAIT = 15_000;

/**
 * @typedef {{place: string, kind: "answer"|"undo", body: {key: string}, of?: string, expects?: string}} Entry
 * `of` names the answer that an undo takes back by its key: should that answer be refused, the undo goes too.
 * `expects` is the question that it shows again.
 */
export class Outbox {
  #entries = [];
  #busy = false;
  #attempt = 0;
  #timer = 0;
  #made = 0;

  /**
   * @param {string} name session and annotator: whose entries these are
   * @param {object} handlers
   * @param {(entry: Entry) => Promise<any>} handlers.send
   * @param {(entry: Entry, reply: any) => void} handlers.onReply
   * @param {(entry: Entry, error: Error) => void} handlers.onRefused the entry is dropped
   * @param {() => void} handlers.onChange number of entries or connection changed
   */
  constructor(name, handlers) {
    this.prefix = `reid-al:outbox:${name}:`;
    this.handlers = handlers;
    this.#entries = this.#stored();
    window.addEventListener("online", () => this.retryNow());
    window.addEventListener("beforeunload", (event) => {
      if (this.size) event.preventDefault();
    });
  }

  /** How many entries the server has not acknowledged. */
  get size() {
    return this.#entries.length;
  }

  /** Whether the last attempt failed. */
  get failing() {
    return this.#attempt > 0;
  }

  /** Ids of the questions with an answer that is not acknowledged. */
  get questions() {
    return this.#entries.filter((entry) => entry.kind === "answer").map((entry) => entry.body.question);
  }

  /** Keep an entry, then send it. @returns {boolean} whether it outlasts a closed page */
  add(kind, body, { of, expects } = {}) {
    const place = `${String(Date.now()).padStart(15, "0")}-${String(this.#made++).padStart(6, "0")}-${body.key}`;
    const entry = { place, kind, body, of, expects };
    this.#entries.push(entry);
    let kept = true;
    try {
      localStorage.setItem(this.prefix + place, JSON.stringify(entry));
    } catch {
      kept = false;
    }
    this.handlers.onChange();
    this.pump();
    return kept;
  }

  /** Send again at once, without waiting for the timer. */
  retryNow() {
    clearTimeout(this.#timer);
    this.pump();
  }

  /** Send entries until none is left or the connection fails. */
  async pump() {
    if (this.#busy) return;
    this.#busy = true;
    while (this.#entries.length) {
      const entry = this.#entries[0];
      let reply, failure;
      try {
        reply = await this.handlers.send(entry);
      } catch (error) {
        failure = error;
      }
      if (failure && failure.passing !== false) {
        this.#later();
        break;
      }
      this.#settled(entry);
      if (failure) this.#refused(entry, failure);
      else this.handlers.onReply(entry, reply);
    }
    this.#busy = false;
    this.handlers.onChange();
  }

  #later() {
    const wait = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.#attempt++);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.pump(), wait);
  }

  #settled(entry) {
    this.#attempt = 0;
    this.#drop(entry);
    this.handlers.onChange();
  }

  #refused(entry, error) {
    for (const undo of this.#entries.filter((other) => other.of === entry.body.key)) this.#drop(undo);
    this.handlers.onRefused(entry, error);
  }

  #drop(entry) {
    this.#entries = this.#entries.filter((other) => other !== entry);
    try {
      localStorage.removeItem(this.prefix + entry.place);
    } catch {
      // nothing is kept where storage is refused
    }
  }

  #stored() {
    try {
      const places = Object.keys(localStorage).filter((place) => place.startsWith(this.prefix));
      return places.sort().map((place) => JSON.parse(localStorage.getItem(place)));
    } catch {
      return [];
    }
  }
}
