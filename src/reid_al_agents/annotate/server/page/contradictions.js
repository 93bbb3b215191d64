// Answers that cannot all be right: both chains of evidence side by side, and a word that settles it.

import { get } from "./api.js";
import { button, focusHeading, h, icon, redraw } from "./dom.js";
import { moment, number, t } from "./i18n.js";
import { edit, fill, head } from "./page.js";
import { imageWords, tile } from "./pictures.js";

export class Contradictions {
  /** @param {HTMLElement} element @param {{onStatus: (status: object) => void, onEdit: (kind: string) => void}} handlers */
  constructor(element, handlers) {
    this.element = element;
    this.handlers = handlers;
    this.head = h("div");
    this.body = h("div.page-body");
    element.append(this.head, this.body);
  }

  show() {
    redraw(this.head, head("contradictions-title", t("contradictions.title"), t("contradictions.text")));
    return fill(this.body, () => get("/api/contradictions"), ({ items }) => {
      if (items.length) return items.map((item) => this.#item(item));
      return [h("div.empty", {}, icon("same"), h("h2", { text: t("contradictions.none") }), h("p", { text: t("contradictions.none_text") }))];
    });
  }

  #item(item) {
    const { query, candidate } = item.ask;
    const settle = (answer) => () => this.#change("/api/contradictions/settle", { query: query.id, candidate: candidate.id, answer }, "contradictions.settled");
    const ask = h("div.ask", {},
      h("div.ask-pair", {}, bigPicture(query, "A"), bigPicture(candidate, "B")),
      h("div.ask-buttons", {},
        h("h2", { text: t(item.kind === "people" ? "contradictions.ask_people" : "contradictions.ask") }),
        button({ class: "answer", data: { answer: "same" }, on: { click: settle("same") } }, icon("same"), h("span", { text: t("contradictions.same") })),
        button({ class: "answer", data: { answer: "different" }, on: { click: settle("different") } }, icon("different"), h("span", { text: t("contradictions.different") })),
        h("p.remark", { text: t("contradictions.remark") })));
    const chains = h("div.chains", {},
      this.#chain("same", t("contradictions.chain_same"), item.same, [query.id, candidate.id]),
      this.#chain("different", t("contradictions.chain_different"), item.different, [query.id, candidate.id]));
    return h("article.contradiction", { data: { id: item.id } }, ask, chains);
  }

  #chain(side, title, links, ends) {
    let at = ends[0];
    const lines = links.map((link, place) => {
      const [from, to] = link.candidate.id === at ? [link.candidate, link.query] : [link.query, link.candidate];
      const joined = place > 0 && from.id === at;
      at = to.id;
      return h("li", {}, joined ? null : chainPicture(from, ends), this.#link(link, side), chainPicture(to, ends));
    });
    return h("section.chain", { data: { side } }, h("h3", {}, icon(side), h("span", { text: title })), h("ol", {}, ...lines));
  }

  #link(link, side) {
    const who = t("contradictions.by", { who: link.annotator || "?", when: link.at ? moment(link.at) : "" });
    const retract = () => this.#change("/api/retract", { event: link.event }, "contradictions.retracted");
    const action = link.event === null
      ? h("span.remark", { text: t("contradictions.no_answer") })
      : button({ class: "secondary small", on: { click: retract } }, icon("undo"), h("span", { text: t("contradictions.retract") }));
    return h("div.link-words", { data: { side } },
      h("b", {}, icon(side), h("span", { text: t(`answer.${link.answer}`) })),
      h("span", { text: who }), h("span", { text: t("contradictions.weight", { weight: number(link.weight) }) }), action);
  }

  async #change(path, body, words) {
    this.body.inert = true; // what is shown is out of date until it is loaded again
    const reply = await edit(path, body, t(words));
    if (reply) this.handlers.onEdit(path.split("/").at(-1));
    if (reply?.status) this.handlers.onStatus(reply.status);
    await this.show();
    this.body.inert = false;
    if (document.activeElement === document.body) focusHeading(this.element);
  }
}

function bigPicture(image, letter) {
  return h("figure", {}, tile(image, { src: image.url, alt: `${letter}, ${imageWords(image)}` }), h("figcaption", {}, h("b", { text: letter }), h("span", { text: imageWords(image) })));
}

function chainPicture(image, ends) {
  const letter = { [ends[0]]: "A", [ends[1]]: "B" }[image.id];
  return h("figure.chain-picture", {}, tile(image), letter ? h("b.letter", { text: letter }) : null);
}
