// Why this question: how sure the model is, how alike the pictures are, where and when they were taken, and what the
// data rule out. Folded away at first, since it may sway whoever answers.

import { button, h, icon } from "./dom.js";
import { number, percent, t } from "./i18n.js";
import { timeWords } from "./pictures.js";

export class Why {
  #open = false;

  /**
   * @param {HTMLElement} element the panel
   * @param {{filters: string[], max_speed: number|null}} session what the data rule out
   * @param {(image: object) => void} onCorrect side and date of a picture are wrong
   */
  constructor(element, session, onCorrect) {
    Object.assign(this, { element, session, onCorrect });
    this.button = button({ class: "secondary small", keepFocus: true, "aria-controls": element.id, "aria-keyshortcuts": "W", data: { name: "why" }, on: { click: () => this.toggle() } });
  }

  toggle() {
    this.#open = !this.#open;
    this.draw(this.card);
  }

  /** @param {import("./feed.js").Card} [card] */
  draw(card) {
    this.card = card;
    this.button.setAttribute("aria-expanded", String(this.#open));
    this.button.replaceChildren(icon("help"), h("span", { text: t("why.title") }), h("kbd", { text: "W" }));
    this.button.hidden = !card;
    this.element.hidden = !this.#open || !card;
    if (this.element.hidden) return this.element.replaceChildren();
    const rows = card.items.length > 1 ? [] : pairFacts(card);
    const filters = this.session.filters.map((name) => h("li", { text: t(`why.filter_${name}`, { speed: this.session.max_speed }) }));
    const facts = rows.map(([label, words]) => h("div", {}, h("dt", { text: label }), h("dd", { text: words })));
    return this.element.replaceChildren(
      h("p", { text: t(`why.kind_${card.items[0].kind}`) }),
      ...(facts.length ? [h("dl.facts", {}, ...facts)] : []),
      ...(filters.length ? [h("ul.why-filters", {}, ...filters)] : []),
      ...(card.items.length > 1 ? [] : [this.#corrections(card)]));
  }

  #corrections({ query, items: [{ candidate }] }) {
    const one = (image, label) => button({ class: "secondary small", data: { name: `correct-${label}` }, text: t(`details.of_${label}`), on: { click: () => this.onCorrect(image) } });
    return h("div.screen-buttons", {}, one(query, "a"), one(candidate, "b"));
  }
}

function pairFacts({ query, query_group: ours, items: [{ candidate, candidate_group: theirs, probability, alike, travel }] }) {
  const facts = [];
  if (typeof probability === "number") facts.push([t("why.probability"), percent(probability)]);
  if (alike) {
    facts.push([t("why.shared"), percent(alike.shared)]);
    if (alike.place) facts.push([t("why.place"), t("why.place_of", { n: number(alike.place) })]);
  }
  for (const [label, read] of [["why.cameras", cameras], ["why.sides", sides], ["why.times", times]]) {
    const both = [read(ours, query), read(theirs, candidate)];
    if (both.some(Boolean)) facts.push([t(label), t("why.both", { a: both[0] || "–", b: both[1] || "–" })]);
  }
  if (travel) facts.push([t("why.travel"), t("why.travel_of", travel)]);
  return facts;
}

const cameras = (group) => (group?.cameras || []).join(", ");
const imagesOf = (group, image) => [image, ...(group?.images || [])];
const sides = (group, image) => [...new Set(imagesOf(group, image).map((one) => one.side).filter(Boolean))].join(", ");

function times(group, image) {
  const known = imagesOf(group, image).map((one) => one.time).filter(Boolean).sort();
  const [first, last] = [known[0], known.at(-1)].map((time) => time && timeWords(time).slice(0, 10));
  return first === last ? first : t("why.span", { first, last });
}
