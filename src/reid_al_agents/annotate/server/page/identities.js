// The identities found, as a contact sheet: two are picked and merged, one is opened and split, each is named.

import { get } from "./api.js";
import { button, focusHeading, h, icon, redraw } from "./dom.js";
import { number, t } from "./i18n.js";
import { IdentityPage } from "./identity.js";
import { nameField } from "./name_field.js";
import { notice } from "./notices.js";
import { edit, fill, head } from "./page.js";
import { sizeWords, thumbnail, tile } from "./pictures.js";

const PER_PAGE = 60;
const SORTS = ["size", "recent", "name"];
const UNDOABLE = ["merge", "split", "name"]; // what is edited here

export class Identities {
  #offset = 0;
  #sort = "size";
  #picked = new Map(); // id to group, at most two

  /**
   * @param {HTMLElement} element
   * @param {{onStatus: (status: object) => void, onEdit: (kind: string) => void, onUndo: () => void,
   *   latestEdit: () => string|null}} handlers
   */
  constructor(element, handlers) {
    this.element = element;
    this.handlers = handlers;
    this.head = h("div");
    this.body = h("div.page-body");
    this.merging = h("div.merging", { role: "region", hidden: true });
    this.undo = button({ class: "secondary", on: { click: () => this.#undo() } }, icon("undo"), h("span"));
    element.append(this.head, this.body, this.merging);
    this.one = new IdentityPage(this.head, this.body, (path, body, words) => this.change(path, body, words));
  }

  /** @param {string} [id] of the identity to open; without it, the contact sheet */
  show(id) {
    this.#pick(null);
    return id ? this.one.show(id) : this.#sheet();
  }

  /** Send an edit; afterwards the grouping is another, and `words`, if any, are said. @returns {Promise<boolean>} whether it was taken */
  async change(path, body, words) {
    const reply = await edit(path, body, words);
    if (reply) this.handlers.onEdit(path.split("/").at(-1));
    this.#drawUndo();
    if (reply?.status) this.handlers.onStatus(reply.status);
    return Boolean(reply);
  }

  /** Only this visit's own edits are taken back here: an answer would be about a pair that is not in view. */
  #undo() {
    this.handlers.onUndo();
    this.#drawUndo();
  }

  #drawUndo() {
    const kind = this.handlers.latestEdit();
    this.undo.disabled = !UNDOABLE.includes(kind);
    this.undo.lastChild.textContent = t(this.undo.disabled ? "identities.undo" : `identities.undo_${kind}`);
    this.undo.title = this.undo.disabled ? t("identities.undo_none") : "";
  }

  async #sheet() {
    const options = SORTS.map((name) => h("option", { value: name, selected: name === this.#sort, text: t(`identities.sort_${name}`) }));
    const onChange = (event) => {
      this.#sort = event.target.value;
      this.#offset = 0;
      this.#sheet();
    };
    const sort = h("label.field", {}, h("span", { text: t("identities.sort") }), h("select", { on: { change: onChange } }, ...options));
    this.#drawUndo();
    redraw(this.head, head("identities-title", t("identities.title"), t("identities.text"), sort, this.undo));
    const path = `/api/identities?offset=${this.#offset}&limit=${PER_PAGE}&sort=${this.#sort}`;
    await fill(this.body, () => get(path), ({ total, items }) => {
      if (!items.length) return [h("div.empty", {}, h("h2", { text: t("identities.none") }))];
      return [h("ul.sheet", {}, ...items.map((group) => this.#group(group))), this.#pager(total)];
    });
  }

  #group(group) {
    const pictures = h("a.mosaic", { href: `#/identities/${encodeURIComponent(group.id)}`, "aria-label": t("identities.open", { who: titleOf(group) }) },
      ...group.images.slice(0, 8).map((image) => tile(image, { lazy: true })));
    const box = h("input", { type: "checkbox", "aria-label": t("identities.pick_one", { who: titleOf(group) }), checked: this.#picked.has(group.id), on: { change: (event) => this.#pick(group, event.target) } });
    const words = [sizeWords(group), group.cameras?.length ? t("group.cameras", { n: group.cameras.length, list: group.cameras.join(", ") }) : ""];
    const name = nameField(group, (name) => this.change("/api/identities/name", { identity: group.id, name }, t("identities.named")));
    return h("li", { data: { id: group.id } }, pictures,
      h("div.sheet-words", {}, name, h("span", { text: words.filter(Boolean).join(" · ") }),
        h("label.pick", {}, box, h("span", { text: t("identities.pick") }))));
  }

  #pager(total) {
    const last = Math.min(total, this.#offset + PER_PAGE);
    const go = (offset) => () => {
      this.#offset = offset;
      this.#sheet().then(() => this.element.closest("main").scrollTo({ top: 0 }));
    };
    return h("nav.pager", { "aria-label": t("identities.pages") },
      button({ class: "secondary", disabled: this.#offset === 0, text: t("identities.before"), on: { click: go(this.#offset - PER_PAGE) } }),
      h("span", { text: t("identities.range", { from: number(this.#offset + 1), to: number(last), total: number(total) }) }),
      button({ class: "secondary", disabled: last >= total, text: t("identities.after"), on: { click: go(this.#offset + PER_PAGE) } }));
  }

  #pick(group, box) {
    if (!group) this.#picked.clear();
    else if (!box.checked) this.#picked.delete(group.id);
    else if (this.#picked.size < 2) this.#picked.set(group.id, group);
    else box.checked = false;
    const picked = [...this.#picked.values()];
    this.merging.hidden = !picked.length;
    this.merging.setAttribute("aria-label", t("identities.merge"));
    const merge = button({ class: "primary", disabled: picked.length < 2, text: t("identities.merge"), on: { click: () => this.#merge(picked) } });
    const clear = button({ class: "secondary", text: t("identities.clear"), on: { click: () => this.#clear() } });
    const small = picked.map((one) => h("div.picked", {}, ...one.images.slice(0, 3).map((image) => thumbnail(image)), h("span", { text: titleOf(one) })));
    const hint = h("p", { text: t(picked.length < 2 ? "identities.pick_another" : "identities.pick_two") });
    this.merging.replaceChildren(...small, hint, merge, clear);
  }

  #clear() {
    this.#pick(null);
    for (const box of this.body.querySelectorAll(".pick input")) box.checked = false;
  }

  /** A name typed into the old sheet would be lost with it: nothing is taken until the new one stands. */
  async #merge([a, b]) {
    this.body.inert = true;
    const merged = await this.change("/api/identities/merge", { a: a.id, b: b.id });
    await this.show();
    this.body.inert = false;
    if (document.activeElement === document.body) focusHeading(this.element);
    if (merged) notice(t("identities.merged"));
  }
}

/** @returns {string} a group's name, or its size where it has none */
export function titleOf(group) {
  return group.name || t("identities.unnamed", { id: group.id });
}
