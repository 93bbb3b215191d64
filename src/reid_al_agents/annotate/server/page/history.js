// What was done, the latest first: any act is taken back, or all of one's own from one on.

import { get } from "./api.js";
import { iconOf } from "./cards_view.js";
import { button, h, icon, redraw } from "./dom.js";
import { moment, t } from "./i18n.js";
import { edit, fill, head } from "./page.js";
import { pager } from "./pager.js";
import { tile, timeWords } from "./pictures.js";

const PER_PAGE = 40;
const ICONS = { answer: "same", confirm: "same", merge: "row", split: "different", name: "more", hide: "close", describe: "more", import: "more", add: "more", remove: "close", restore: "more" };

export class History {
  #offset = 0;
  #mine = true;

  /** @param {HTMLElement} element @param {{onStatus: (status: object) => void, onJump: () => void}} handlers */
  constructor(element, handlers) {
    this.element = element;
    this.handlers = handlers;
    this.head = h("div");
    this.body = h("div.page-body");
    element.append(this.head, this.body);
  }

  show() {
    const onChange = (event) => {
      this.#mine = event.target.value === "mine";
      this.#offset = 0;
      this.show();
    };
    const options = ["mine", "all"].map((name) => h("option", { value: name, selected: (name === "mine") === this.#mine, text: t(`history.${name}`) }));
    const whose = h("label.field", {}, h("span", { text: t("history.whose") }), h("select", { data: { name: "whose" }, on: { change: onChange } }, ...options));
    redraw(this.head, head("history-title", t("history.title"), t("history.text"), whose));
    return fill(this.body, () => get(`/api/history?mine=${this.#mine}&offset=${this.#offset}&limit=${PER_PAGE}`), ({ total, items }) => {
      if (!items.length) return [h("div.empty", {}, h("h2", { text: t("history.none") }))];
      const turn = (offset) => {
        this.#offset = offset;
        return this.show();
      };
      return [h("ol.acts", {}, ...items.map((act) => this.#act(act))), pager(this.element, t("history.pages"), this.#offset, PER_PAGE, total, turn)];
    });
  }

  #act(act) {
    const sign = icon(act.answer ? iconOf(act.answer) : ICONS[act.kind]);
    const words = h("div.act-words", {},
      h("b", {}, sign, h("span", { text: doneWords(act) })),
      h("span", { text: t("history.by", { who: act.annotator, when: moment(act.at) }) }),
      act.counts ? null : h("span.taken-back", { text: t("history.taken_back", { who: act.taken_back_by }) }));
    const pictures = h("div.act-pictures", {}, ...act.images.map((image) => tile(image, { lazy: true })));
    const more = act.count > act.images.length ? h("span.remark", { text: t("history.more", { n: act.count - act.images.length }) }) : null;
    return h("li", { data: { id: act.id, counts: String(act.counts) } }, pictures, more, words, act.retractable ? this.#buttons(act) : null);
  }

  #buttons(act) {
    const take = () => this.#change("/api/retract", { event: act.id, whole: true }, t("history.was_taken"));
    const go = () => this.#change("/api/undo", { back_to: act.id }, t("history.went_back"));
    return h("div.act-buttons", {},
      button({ class: "secondary small", data: { do: "take" }, on: { click: take } }, icon("undo"), h("span", { text: t("history.take") })),
      act.mine ? button({ class: "secondary small", data: { do: "back" }, title: t("history.back_long"), text: t("history.back"), on: { click: go } }) : null);
  }

  async #change(path, body, words) {
    this.body.inert = true;
    const reply = await edit(path, body, words);
    if (reply) this.handlers.onJump();
    if (reply?.status) this.handlers.onStatus(reply.status);
    await this.show();
    this.body.inert = false;
  }
}

function doneWords(act) {
  if (act.kind === "answer") return t(`answer.${act.answer}`);
  if (act.kind === "describe") return t("history.did_describe", { n: act.count, what: detailWords(act) });
  return t(`history.did_${act.kind}`, { n: act.count, name: act.name || "–", file: act.file });
}

function detailWords({ side, time }) {
  const told = [["side", side], ["time", time && timeWords(time)]].filter(([, value]) => value !== null && value !== undefined);
  return told.map(([name, value]) => `${t(`details.${name}`)}: ${value || t("details.unknown")}`).join(", ");
}
