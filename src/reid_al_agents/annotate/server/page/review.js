// The review: identities one after another, the least coherent first, its most suspicious picture first.

import { get } from "./api.js";
import { button, focusHeading, h, icon, redraw } from "./dom.js";
import { GroupScreen } from "./group_screen.js";
import { t } from "./i18n.js";
import { nameField } from "./name_field.js";
import { edit, fill, head } from "./page.js";
import { groupWords } from "./pictures.js";

const PARTS = ["all", "suggested", "confirmed"];

export class Review {
  #part = "all";
  #offset = 0; // identities put off on this visit: they come first in the queue

  /**
   * @param {HTMLElement} element @param {object} session
   * @param {{onStatus: (status: object) => void, onEdit: (kind: string) => void}} handlers
   */
  constructor(element, session, handlers) {
    this.element = element;
    this.session = session;
    this.handlers = handlers;
    this.head = h("div");
    this.body = h("div.page-body");
    element.append(this.head, this.body);
  }

  async show() {
    this.#drawHead();
    await fill(this.body, () => get(`/api/review?part=${this.#part}&offset=${this.#offset}`), (reply) => this.#draw(reply));
    this.body.parentElement.closest("main").scrollTo?.({ top: 0 });
  }

  #drawHead() {
    const options = PARTS.map((name) => h("option", { value: name, selected: name === this.#part, text: t(`review.${name}`) }));
    const onChange = (event) => {
      this.#part = event.target.value;
      this.#again();
    };
    const part = h("label.field", {}, h("span", { text: t("review.part") }), h("select", { data: { name: "part" }, on: { change: onChange } }, ...options));
    const history = h("a.secondary", { href: "#/history", text: t("history.title") });
    redraw(this.head, head("review-title", t("review.title"), t("review.text"), part, history));
  }

  #draw({ total, identity }) {
    if (!identity) return [this.#nothing(total)];
    const screen = new GroupScreen(identity, (...edit) => this.#change(...edit), () => this.#next(), this.session, (reply) => this.#corrected(reply));
    const later = button({ class: "secondary", data: { do: "later" }, text: t("review.later"), on: { click: () => this.#next(1) } });
    screen.bar.after(later);
    const left = h("span.left", { role: "status", text: t("review.left", { n: total - this.#offset }) });
    return [
      h("div.identity-bar", { data: { id: identity.id } },
        nameField(identity, (...edit) => this.#change(...edit), () => this.#next()), h("span", { text: groupWords(identity) }), left, h("div.screen-actions", {}, screen.bar, later)),
      screen.list,
    ];
  }

  #corrected(reply) {
    this.handlers.onEdit("describe");
    this.handlers.onStatus(reply.status);
    return this.show();
  }

  #nothing(total) {
    const put = total ? button({ class: "primary", text: t("review.again", { n: total }), on: { click: () => this.#again() } }) : null;
    return h("div.empty", {}, icon("same"), h("h2", { text: t("review.none") }), h("p", { text: t("review.none_text") }), put);
  }

  #again() {
    this.#offset = 0;
    return this.show();
  }

  async #next(put = 0) {
    this.#offset += put;
    await this.show();
    if (document.activeElement === document.body) focusHeading(this.element);
  }

  async #change(path, body, words) {
    const reply = await edit(path, body, words);
    if (reply?.status) this.handlers.onStatus(reply.status);
    if (reply?.event) this.handlers.onEdit(path.split("/").at(-1));
    return reply?.taken ? reply : Boolean(reply);
  }
}
