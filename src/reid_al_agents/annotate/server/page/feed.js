// The questions ahead: fetched, decoded and held in order, so that the next one is there at once.
//
// A card is what is shown together: one picture and another to compare with it (layout "pair"), or up to five ("row").

import { post } from "./api.js";
import { decoded, warm } from "./pictures.js";

const AHEAD = { pair: 6, row: 15 }; // questions held
const LOW = { pair: 3, row: 10 }; // fetch when fewer are left
const POLL = { planning: 1000, others: 4000, finished: 15_000 }; // milliseconds until asked again
const AFTER_FAILURE = 3000;

/**
 * @typedef {{question: string, candidate: object, candidate_group: object, picture: object, mark?: string, unseen?: boolean}} Item
 * @typedef {{query: object, query_group: object, items: Item[], picture: object, ready: boolean}} Card
 * `unseen`: one of the two pictures could not be loaded.
 */
export class Feed {
  /** @type {Card[]} */
  cards = [];
  /** @type {null|"planning"|"finished"|"others"} */
  waiting = null;
  /** @type {Error|null} why nothing could be fetched */
  error = null;
  #answered = new Map(); // question id to the clock at its acknowledgement; Infinity until then
  #seen = new Map(); // question id to when its lease was last renewed, milliseconds
  #clock = 0;
  #fetching = false;
  #timer = 0;

  /**
   * @param {"pair"|"row"} layout
   * @param {number} leaseSeconds how long the server keeps a question for this person
   * @param {{onChange: () => void, onStatus: (status: object) => void, unsent: () => string[]}} handlers
   */
  constructor(layout, leaseSeconds, handlers) {
    this.layout = layout;
    this.leaseSeconds = leaseSeconds;
    this.handlers = handlers;
  }

  /** Ids of the questions held, those with an unsent answer or undo left out. */
  get held() {
    const unsent = new Set(this.handlers.unsent());
    return this.cards.flatMap((card) => card.items.map((item) => item.question)).filter((id) => !unsent.has(id));
  }

  get ahead() {
    return AHEAD[this.layout];
  }

  /** Compare with what a reply carries: a question answered since the request is not taken from it again. */
  stamp() {
    return ++this.#clock;
  }

  /** The first card is done with. @param {string[]} answered those of its questions that were answered */
  shift(answered) {
    for (const question of answered) this.#answered.set(question, Infinity);
    return this.cards.shift();
  }

  /** The first card is put off: its questions come again after all others. */
  async skip() {
    const card = this.cards.shift();
    const questions = card.items.map((item) => item.question);
    for (const question of questions) this.#seen.delete(question);
    this.handlers.onChange();
    const stamp = this.stamp();
    const held = this.cards.reduce((sum, one) => sum + one.items.length, 0);
    try {
      this.take(await post("/api/skip", { questions, count: Math.max(AHEAD[this.layout], held), layout: this.layout }), stamp);
    } catch (error) {
      this.error = error;
    }
    this.#askAgainLater();
    this.handlers.onChange();
  }

  /** The server has the answer to a question. */
  acknowledge(question) {
    this.#answered.set(question, ++this.#clock);
  }

  /** Show a card again, as its answer is taken back. */
  unshift(card) {
    for (const { question } of card.items) this.#answered.delete(question);
    const ids = new Set(card.items.map((item) => item.question));
    this.remove([...ids]);
    this.cards.unshift(...(this.layout === "pair" ? apart(card) : [card]));
  }

  /** Questions that need no answer any more. @returns {boolean} whether the first card was among them */
  remove(ids) {
    const gone = new Set(ids);
    const first = this.cards[0];
    for (const card of this.cards) card.items = card.items.filter((item) => !gone.has(item.question));
    this.cards = this.cards.filter((card) => card.items.length);
    return first !== undefined && first !== this.cards[0];
  }

  /** Take what a reply brings. @returns {boolean} whether the first card was withdrawn */
  take(reply, stamp, atFront = false) {
    const unsent = new Set(this.handlers.unsent());
    const withdrawn = this.remove((reply.withdrawn || []).filter((id) => !unsent.has(id)));
    const known = new Set(this.cards.flatMap((card) => card.items.map((item) => item.question)));
    const wanted = (id) => !known.has(id) && !(this.#answered.get(id) > stamp);
    const cards = cardsOf(reply)
      .map((card) => ({ ...card, items: card.items.filter((item) => this.#renew(item.question) && wanted(item.question)) }))
      .filter((card) => card.items.length);
    for (const card of cards) this.#prepare(card);
    this.cards = atFront ? [...cards, ...this.cards] : [...this.cards, ...cards];
    if ("waiting" in reply) this.waiting = reply.waiting;
    if (reply.status) this.handlers.onStatus(reply.status);
    return withdrawn;
  }

  #renew(question) {
    return this.#seen.set(question, Date.now());
  }

  #prepare(card) {
    card.picture = decoded(card.query);
    for (const item of card.items) item.picture = decoded(item.candidate);
    const groups = [card.query_group, ...card.items.map((item) => item.candidate_group)];
    for (const group of groups) warm(group?.images || []);
    card.ready = false;
    const items = [...card.items]; // some may be withdrawn meanwhile
    const pictures = [card.picture, ...items.map((item) => item.picture)];
    Promise.all(pictures.map((picture) => picture.ready)).then((seen) => {
      card.ready = true;
      items.forEach((item, i) => (item.unseen = !(seen[0] && seen[i + 1])));
      if (this.cards[0] === card) this.handlers.onChange();
    });
  }

  /** Change the layout: the questions held are fetched again in the other form. */
  async useLayout(layout) {
    this.layout = layout;
    this.cards = [];
    await this.refill(true);
  }

  /** Fetch more where few are left, or always where `force` is set; leases of those held are renewed. */
  async refill(force = false) {
    clearTimeout(this.#timer);
    const count = this.cards.reduce((sum, card) => sum + card.items.length, 0);
    if (this.#fetching || (!force && count >= LOW[this.layout])) return;
    this.#fetching = true;
    const { layout } = this;
    try {
      const stamp = this.stamp();
      const reply = await post("/api/questions", { count: Math.max(AHEAD[layout], count), layout });
      this.error = null;
      if (layout === this.layout) this.take(reply, stamp);
      this.#dropExpired();
    } catch (error) {
      this.error = error;
    }
    this.#fetching = false;
    if (layout !== this.layout) return this.refill(true);
    this.#askAgainLater();
    this.handlers.onChange();
  }

  #dropExpired() {
    const unsent = new Set(this.handlers.unsent());
    const oldest = Date.now() - this.leaseSeconds * 1000;
    this.remove([...this.#seen].filter(([id, at]) => at < oldest && !unsent.has(id)).map(([id]) => id));
    for (const [id, at] of this.#seen) if (at < oldest) this.#seen.delete(id);
  }

  #askAgainLater() {
    const renewal = this.leaseSeconds * 400; // well within the lease
    const wait = this.error ? AFTER_FAILURE : this.cards.length ? renewal : POLL[this.waiting] || 1000;
    this.#timer = setTimeout(() => {
      if (document.visibilityState === "visible") this.refill(true);
    }, wait);
  }
}

/** Cards of a reply in either layout. */
function cardsOf(reply) {
  const rows = reply.rows || [];
  return [...(reply.questions || []).map(cardOf), ...rows.map((row) => ({ ...row, items: row.items.map(itemOf) }))];
}

function cardOf({ query, query_group, ...item }) {
  return { query, query_group, items: [itemOf(item)] };
}

function itemOf({ id, candidate, candidate_group, kind, probability, alike, travel }) {
  return { question: id, candidate, candidate_group, kind, probability, alike, travel };
}

/** One card for each question of a card; each needs a picture element of its own. */
function apart(card) {
  if (card.items.length === 1) return [card];
  return card.items.map((item) => ({ ...card, items: [item], picture: decoded(card.query) }));
}
