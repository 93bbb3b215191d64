// One identity with all its images; those selected become an identity of their own.

import { get } from "./api.js";
import { button, h, icon, redraw } from "./dom.js";
import { number, t } from "./i18n.js";
import { nameField } from "./name_field.js";
import { fill, head } from "./page.js";
import { imageWords, sizeWords, suggestedWords, tile } from "./pictures.js";

export class IdentityPage {
  /**
   * @param {HTMLElement} top @param {HTMLElement} body
   * @param {(path: string, body: object, words: string) => Promise<boolean>} change
   */
  constructor(top, body, change) {
    Object.assign(this, { top, body, change });
  }

  /** @param {string} id */
  async show(id) {
    const back = h("a.secondary", { href: "#/identities" }, icon("undo"), h("span", { text: t("identities.back") }));
    redraw(this.top, head("identities-title", t("identities.one", { id }), t("identities.one_text"), back));
    this.selected = new Set();
    await fill(this.body, () => get(`/api/identities/${encodeURIComponent(id)}`), (group) => this.#draw(group));
  }

  #draw(group) {
    const name = nameField(group, (name) => this.change("/api/identities/name", { identity: group.id, name }, t("identities.named")));
    const words = [sizeWords(group), group.cameras?.length ? t("group.cameras", { n: group.cameras.length, list: group.cameras.join(", ") }) : ""];
    const split = button({ class: "primary", disabled: true, on: { click: () => this.#split(group) } });
    const tell = () => {
      const count = this.selected.size;
      split.disabled = !count || count >= group.images.length;
      split.textContent = count ? t("identities.split", { n: count }) : t("identities.split_none");
    };
    tell();
    const cells = group.images.map((image) => this.#cell(image, tell));
    return [h("div.identity-bar", {}, name, h("span", { text: words.filter(Boolean).join(" · ") }), split), h("ul.images", {}, ...cells)];
  }

  #cell(image, tell) {
    const onChange = (event) => {
      if (event.target.checked) this.selected.add(image.id);
      else this.selected.delete(image.id);
      tell();
    };
    const box = h("input", { type: "checkbox", "aria-label": [...new Set([captionOf(image), image.name])].join(", "), on: { change: onChange } });
    return h("li", {}, h("label", {}, box, tile(image, { lazy: true, alt: "", title: null }), h("span", { text: captionOf(image), title: image.name })));
  }

  async #split(group) {
    const words = t("identities.was_split", { n: number(this.selected.size) });
    await this.change("/api/identities/split", { identity: group.id, images: [...this.selected] }, words);
    location.hash = "#/identities";
  }
}

function captionOf(image) {
  return image.confirmed ? imageWords(image) : `${imageWords(image)} · ${suggestedWords(image)}`;
}
