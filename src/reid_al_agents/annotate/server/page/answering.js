// The answer view: shows the first card, takes the answer, shows the next one at once, and lets it be undone.

import { newKey, post } from "./api.js";
import { answerBar } from "./answer_bar.js";
import { isOpen, markOf, mixedLink, pairView, rowView } from "./cards_view.js";
import { correctDetails } from "./details.js";
import { button, focusHeading, h, icon, redraw } from "./dom.js";
import { Feed } from "./feed.js";
import { t } from "./i18n.js";
import { recall, remember } from "./memory.js";
import { errorWords, notice } from "./notices.js";
import { Outbox } from "./outbox.js";
import { Stopwatch } from "./stopwatch.js";
import { swipeCard } from "./swipe.js";
import { waitingView } from "./waiting_view.js";
import { Why } from "./why.js";
import { Zoom } from "./zoom.js";

export class Answering {
  #history = []; // what Backspace takes back, latest last: {card, given: [key, question]}, or {edit: kind} made elsewhere
  #shown = ""; // what is drawn, as a word to compare
  #active = 0; // place in the row
  #watch = new Stopwatch();
  #asked = 0; // questions announced, so that no two announcements are alike

  /**
   * @param {HTMLElement} element
   * @param {object} session
   * @param {{onStatus: (status: object) => void, onSaved: (outbox: Outbox) => void,
   *   onHelp: () => void, onUndone: () => void}} handlers
   */
  constructor(element, session, handlers) {
    this.element = element;
    this.handlers = handlers;
    const layout = recall("layout") === "row" && session.layouts.includes("row") ? "row" : "pair";
    this.feed = new Feed(layout, session.lease_seconds, {
      onChange: () => this.draw(),
      onStatus: handlers.onStatus,
      unsent: () => this.outbox.questions,
    });
    this.outbox = new Outbox(`${session.session}:${session.annotator}`, {
      send: (entry) => this.#send(entry),
      onReply: (entry, reply) => this.#replied(entry, reply),
      onRefused: (entry, error) => this.#refused(entry, error),
      onChange: () => handlers.onSaved(this.outbox),
    });
    this.session = session;
    this.#build();
  }

  /** Send what an earlier visit left, then fetch questions. */
  async start() {
    await this.outbox.pump();
    await this.feed.refill(true);
  }

  #build() {
    this.title = h("h1", { id: "answer-title" });
    this.switch = button({ class: "secondary small", keepFocus: true, "aria-keyshortcuts": "L", on: { click: () => this.act({ do: "layout" }) } });
    this.stage = h("div.stage");
    this.below = h("div.below");
    const panel = h("aside.why", { id: "why", hidden: true });
    this.why = new Why(panel, this.session, (image) => this.#correct(image));
    const tools = h("div.question-tools", {}, this.why.button, this.switch);
    this.element.append(h("div.question-line", {}, this.title, tools), panel, this.stage, this.below);
    const swipe = swipeCard(this.stage);
    this.zoom = new Zoom(this.stage, {
      onDrag: (dx, dy) => this.feed.layout === "pair" && swipe.drag(dx, dy),
      onSwipe: (way) => this.feed.layout === "pair" && this.answer({ left: "different", right: "same", up: "cannot_tell" }[way]),
    });
  }

  /** Do what a key or a button says. @param {import("./keys.js").Action} action */
  act(action) {
    if (action.do === "help") this.handlers.onHelp();
    else if (action.do === "undo") this.undo();
    else if (action.do === "skip") this.skip();
    else if (action.do === "why") this.why.toggle();
    else if (action.do === "mixed") this.#openMixed(action.side);
    else if (action.do === "layout") this.useLayout(this.feed.layout === "pair" ? "row" : "pair");
    else if (action.do === "zoom") action.way === "reset" ? this.zoom.reset() : this.zoom.step(action.way === "in" ? 1 : -1);
    else if (action.do === "send") this.sendRow();
    else if (action.do === "toggle") this.toggle(action.place);
    else if (action.do === "move") this.#move(this.#active + action.way);
    else this.answer(action.value);
  }

  /** @param {string} value */
  answer(value) {
    const card = this.feed.cards[0];
    if (!card?.ready) return;
    if (this.feed.layout === "row" && value !== "bad_query") return this.mark(this.#active, value);
    if (!isOpen(card.items[0], value)) return;
    this.#flash(value);
    this.#keep(card, [[card.items[0].question, value]]);
  }

  /** Send the row: what is not marked differs, as far as it was seen. */
  sendRow() {
    const card = this.feed.cards[0];
    if (this.feed.layout !== "row" || !card?.ready) return;
    this.#keep(card, card.items.map((item) => [item.question, markOf(item)]));
  }

  /** Look at the whole group of a side, to take out what does not belong. */
  #openMixed(side) {
    const card = this.feed.cards[0];
    const image = side === "query" ? card?.query : card?.items[this.feed.layout === "row" ? this.#active : 0].candidate;
    if (image) location.hash = mixedLink(image);
  }

  /** Correct side and date of a picture; questions that these rule out are withdrawn. */
  async #correct(image) {
    const reply = await correctDetails([image], this.session, this.feed.held);
    if (!reply) return;
    this.noteEdit("describe");
    if (this.feed.take({ withdrawn: reply.withdrawn, status: reply.status }, this.feed.stamp())) notice(t("details.withdrawn"), { id: "withdrawn" });
    this.draw(true);
    this.feed.refill(this.feed.cards.length === 0);
  }

  /** Put the question off and bring another; Backspace brings it back. */
  skip() {
    const card = this.feed.cards[0];
    if (!card) return;
    this.#history.push({ card, given: [], skipped: true });
    this.feed.skip();
  }

  #keep(card, answers) {
    const seconds = this.#watch.seconds / answers.length;
    this.feed.shift(answers.map(([question]) => question));
    const keys = answers.map(() => newKey());
    this.#history.push({ card, given: answers.map(([question], i) => [keys[i], question]) });
    const kept = answers.map(([question, answer], i) =>
      this.outbox.add("answer", { question, answer, key: keys[i], seconds: Math.round(seconds * 1000) / 1000 }));
    if (kept.includes(false)) notice(t("error.storage"), { kind: "error", id: "storage" });
    this.draw();
    this.feed.refill();
  }

  /** Say of a picture of the row that it is the same, or no longer. */
  toggle(place) {
    const item = this.feed.cards[0]?.items[place];
    if (item) this.mark(place, item.mark === "same" ? "different" : "same", place);
  }

  /** Mark a picture of the row, then go to the next. */
  mark(place, value, next = place + 1) {
    const { items = [], ready } = this.feed.cards[0] || {};
    if (!ready || !items[place] || !isOpen(items[place], value)) return;
    items[place].mark = items[place].mark === value && value !== "same" ? undefined : value;
    this.#move(next);
  }

  #move(place) {
    const { items = [] } = this.feed.cards[0] || {};
    this.#active = Math.max(0, Math.min(items.length - 1, place));
    this.draw();
  }

  /** Take the latest answer back; before this visit's first one the server knows which that is. */
  undo() {
    const last = this.#history.pop();
    if (!last?.given) return void this.outbox.add("undo", { key: newKey() });
    for (const [of, expects] of [...last.given].reverse()) this.outbox.add("undo", { key: newKey() }, { of, expects });
    this.feed.unshift(last.card);
    this.draw();
  }

  /** An edit was made on another page: Backspace takes that back first. @param {string} kind as in a path of the API */
  noteEdit(kind) {
    this.#history.push({ edit: kind });
  }

  /** Steps were taken back on another page: which is the latest one the server knows. */
  forget() {
    this.#history = [];
    this.feed.refill(true);
  }

  /** What the latest step of this visit was where that is an edit of another page, else null. */
  get latestEdit() {
    return this.#history.at(-1)?.edit ?? null;
  }

  useLayout(layout) {
    remember("layout", layout);
    this.feed.useLayout(layout);
    this.draw();
  }

  // the server's replies

  #send(entry) {
    this.stamp = this.feed.stamp();
    this.askedFor = this.feed.layout;
    if (entry.kind === "undo") return post("/api/undo", entry.body);
    const have = [...this.feed.held, ...this.outbox.questions.filter((id) => id !== entry.body.question)];
    const want = this.feed.layout === "pair" ? this.feed.ahead + this.outbox.size - 1 : 0;
    return post("/api/answers", { ...entry.body, want, have });
  }

  #replied(entry, reply) {
    if (entry.kind === "answer") this.feed.acknowledge(entry.body.question);
    const { question, undone, ...rest } = reply;
    if (this.feed.layout === "row") delete rest.waiting;
    if (this.feed.layout !== this.askedFor) rest.questions = []; // they come again in the layout that is shown
    const withdrawn = this.feed.take(question ? { ...rest, questions: [question] } : rest, this.stamp, Boolean(question));
    if (undone) this.handlers.onUndone();
    const asExpected = !entry.expects || question?.id === entry.expects;
    if (!asExpected) this.feed.remove([entry.expects]); // the latest step was another: of another tab
    if (withdrawn) notice(t("answer.withdrawn"), { id: "withdrawn" });
    if (undone && !(entry.of && asExpected)) notice(t("answer.undone", { what: t(`undone.${undone.answer || undone.kind}`) }), { id: "undone" });
    this.draw();
    this.feed.refill(this.feed.cards.length === 0 && this.outbox.size === 0);
  }

  #refused(entry, error) {
    if (entry.kind === "answer") {
      this.feed.acknowledge(entry.body.question);
      for (const past of this.#history) if (past.given) past.given = past.given.filter(([key]) => key !== entry.body.key);
      this.#history = this.#history.filter((past) => past.edit || past.given.length || past.skipped);
    }
    if (entry.kind === "undo" && error.status === 409) notice(t("answer.nothing_to_undo"), { id: "undone", done: false });
    else if (error.status === 409) notice(t("answer.not_needed"), { id: "withdrawn", done: false });
    else notice(errorWords(error), { kind: "error" });
    this.feed.refill(this.feed.cards.length === 0);
  }

  // drawing

  /** Draw the first card, if it is not there already; `anew` draws it in any case (another language). */
  draw(anew = false) {
    const card = this.feed.cards[0];
    const words = card
      ? card.items.map((item) => `${item.question}=${item.mark || ""}${item.unseen ? "!" : ""}`).join(" ") + `@${this.#active}`
      : `${this.feed.waiting}:${this.feed.error?.message}`;
    const shown = `${this.feed.layout} ${words}`;
    if (shown !== this.#shown || anew) this.#drawAnew(card, shown);
    // Nothing is said of pictures that are not there yet: a press is never taken and lost.
    for (const one of this.element.querySelectorAll("[data-waits]")) one.setAttribute("aria-disabled", String(!card?.ready));
  }

  #drawAnew(card, shown) {
    const sameCard = this.card === card && card;
    this.#shown = shown;
    if (!sameCard) this.#active = 0;
    this.card = card;
    this.#drawCard(card, sameCard);
    this.#drawAround(card);
    if (card && !sameCard) this.#announce(card);
  }

  #drawCard(card, sameCard) {
    this.element.dataset.layout = this.feed.layout;
    this.element.classList.toggle("is-empty", !card);
    if (!card) {
      this.zoom.use([]);
      return redraw(this.stage, waitingView(this.feed.waiting, this.feed.error, () => this.feed.refill(true)));
    }
    const row = { active: this.#active, onToggle: (place) => this.toggle(place), onMark: (place, value) => this.mark(place, value, place) };
    const { element, panes } = this.feed.layout === "row" ? rowView(card, row) : pairView(card);
    redraw(this.stage, element);
    if (!sameCard) this.#watch.restart();
    this.zoom.use(panes, Boolean(sameCard));
    return undefined;
  }

  #drawAround(card) {
    const row = this.feed.layout === "row";
    this.title.textContent = row ? t("answer.title_row") : titleOf(card);
    this.why.draw(card);
    this.switch.replaceChildren(icon(row ? "pair" : "row"), h("span", { text: t(row ? "answer.layout_pair" : "answer.layout_row") }), h("kbd", { text: "L" }));
    const words = `${this.feed.layout} ${document.documentElement.lang} ${Boolean(card)} ${row ? marked(card) : card?.items[0].unseen}`;
    if (words === this.below.dataset.words) return;
    this.below.dataset.words = words;
    redraw(this.below, answerBar(this.feed.layout, (action) => this.act(action), () => marked(card), (value) => row || !card || isOpen(card.items[0], value)));
    const held = this.below.contains(document.activeElement);
    this.below.classList.toggle("idle", !card);
    if (!card && held) focusHeading(this.element);
  }

  #announce(card) {
    const camera = (image) => (image.camera ?? null) === null ? "" : t("image.camera", { camera: image.camera });
    const ends = [card.query, card.items[0].candidate].map(camera).filter(Boolean).join(", ");
    const number = ++this.#asked;
    const words = this.feed.layout === "row" ? t("answer.say_row", { number, count: card.items.length }) : t("answer.say", { number, ends });
    document.getElementById("live-question").textContent = words;
  }

  #flash(value) {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    const pressed = this.below.querySelector(`[data-answer="${value}"]`);
    pressed?.animate?.([{ filter: "brightness(1.25)", transform: "scale(0.97)" }, {}], { duration: 160 });
  }
}

/** The question, with the name of either side where it has one. */
function titleOf(card) {
  const [one, other] = card ? [card.query_group?.name, card.items[0].candidate_group?.name] : [];
  if (one && other) return one === other ? t("answer.title_named", { name: one }) : t("answer.title_names", { one, other });
  return one || other ? t("answer.title_named", { name: one || other }) : t("answer.title");
}

function marked(card) {
  return card ? card.items.filter((item) => item.mark === "same").length : 0;
}
