// One identity with all its images: named, hidden, split, or confirmed as a whole.

import { get } from "./api.js";
import { button, h, icon, redraw } from "./dom.js";
import { GroupScreen } from "./group_screen.js";
import { t } from "./i18n.js";
import { nameField } from "./name_field.js";
import { fill, head } from "./page.js";
import { groupWords } from "./pictures.js";

export class IdentityPage {
  /**
   * @param {HTMLElement} top @param {HTMLElement} body
   * @param {(path: string, body: object, words: string) => Promise<boolean>} change
   * @param {object} session @param {(reply: object) => void} onCorrected side or date of pictures are others now
   */
  constructor(top, body, change, session, onCorrected) {
    Object.assign(this, { top, body, change, session, onCorrected });
  }

  /** @param {string} id of the identity, or "i" and the number of an image */
  async show(id) {
    const asked = id.startsWith("i"); // by an image of a question
    this.home = asked ? "#/answer" : "#/identities";
    const back = h("a.secondary", { href: this.home }, icon("undo"), h("span", { text: t(asked ? "identities.back_to_answer" : "identities.back") }));
    const title = asked ? t("identities.of_question") : t("identities.one", { id });
    redraw(this.top, head("identities-title", title, t("identities.one_text"), back));
    await this.#load(id);
  }

  #load(id) {
    return fill(this.body, () => get(`/api/identities/${encodeURIComponent(id)}`), (group) => this.#draw(group));
  }

  #draw(group) {
    const leave = () => (location.hash = this.home);
    const here = location.hash;
    const corrected = (reply) => {
      this.onCorrected(reply);
      // The identity may be another now. Whoever has gone on meanwhile is left there.
      return location.hash === here ? this.#load(`i${group.images[0].id}`) : undefined;
    };
    const screen = new GroupScreen(group, this.change, leave, this.session, corrected);
    const hide = async () => {
      const hidden = !group.hidden;
      const words = t(hidden ? "identities.was_hidden" : "identities.was_shown");
      if (await this.change("/api/identities/hide", { identity: group.id, hidden }, words)) leave();
    };
    const hiding = button({ class: "secondary", data: { do: "hide" }, text: t(group.hidden ? "identities.unhide" : "identities.hide"), on: { click: hide } });
    return [
      h("div.identity-bar", {}, nameField(group, this.change, leave), h("span", { text: groupWords(group) }), hiding, screen.bar),
      screen.list,
    ];
  }
}
